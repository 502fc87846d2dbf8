import { expect, it } from '@jest/globals';
import { MOST_LONG_POLLS } from '../../../src/consul/long-polls.ts';

it('all long polls together are fewer than 60, so that those of three daemons in a row are fewer than the 200 of Consul', () => {
  const most = Object.values(MOST_LONG_POLLS).reduce((sum, of) => sum + of, 0);
  expect(most).toBeLessThan(60);
});
