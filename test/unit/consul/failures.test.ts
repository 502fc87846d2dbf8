import { describe, expect, it } from '@jest/globals';
import { ConsulError, UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { Failures } from '../../../src/consul/failures.ts';

const answered = (status: number) => new ConsulError('read service names', status, '');
const stage = () => new Failures({ baseMs: 400, maxMs: 30_000, random: () => 1 });
const waits = (...errors: unknown[]) => {
  const failures = stage();
  return errors.map((error) => failures.next(error));
};
const often = (error: unknown) => Array<unknown>(9).fill(error);

describe('the wait after failures in a row', () => {
  it.each<[string, unknown]>([
    ['refuses connections, or does not answer', answered(0)],
    ['allows no more connections', answered(429)],
    ['has no leader', answered(500)],
    ['cannot be reached by its load balancer', answered(503)],
  ])('grows to 5 seconds while Consul %s', (_, error) => {
    expect(waits(...often(error))).toEqual([400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000]);
  });

  it.each<[string, unknown]>([
    ['refuses the token', answered(403)],
    ['answers what is not believed', new UntrustworthyAnswer('read service names', 'a list without "consul"')],
  ])('grows to 30 seconds while Consul %s', (_, error) => {
    expect(waits(...often(error)).slice(-2)).toEqual([30_000, 30_000]);
  });

  it('begins anew when Consul answers something else', () => {
    expect(waits(answered(0), answered(0), answered(500), answered(500), answered(0))).toEqual([
      400, 800, 400, 800, 400,
    ]);
  });

  it('begins anew after a good answer', () => {
    const failures = stage();
    for (const error of often(answered(0))) failures.next(error);
    failures.end();
    expect(failures.next(answered(0))).toBe(400);
  });
});
