import { describe, expect, it } from '@jest/globals';
import { leastWanted } from '../../../src/observability/connections.ts';

const connection = (name: string, address: string, isBusy = false) => ({ name, address, isBusy });
const [browser, probe] = ['127.0.0.1', '10.0.0.1'];

describe('when there are too many connections', () => {
  it.each([
    [
      'the longest idle one of the address that has most',
      [connection('probe', probe), connection('first', browser, true), connection('idle', browser)],
      'idle',
    ],
    [
      'the oldest of that address, if all of its are busy',
      [connection('probe', probe), connection('first', browser, true), connection('second', browser, true)],
      'first',
    ],
    [
      'the longest idle one, where all have as many',
      [connection('busy', browser, true), connection('idle', probe)],
      'idle',
    ],
  ])('%s goes', (_, connections, name) => {
    expect(leastWanted(connections)?.name).toBe(name);
  });

  it('none goes where there is none', () => {
    expect(leastWanted([])).toBeUndefined();
  });
});
