import { describe, expect, it } from '@jest/globals';
import { createAttempts } from '../../../../src/to-kubernetes/write/attempts.ts';

describe('the writes of one namespace', () => {
  const [first, second] = [new Error('first'), new Error('second')];

  it('are all tried, and the first failure is thrown at the end', async () => {
    const attempts = createAttempts('shop');
    const done: string[] = [];
    await attempts.attempt([
      () => Promise.reject(first),
      () => Promise.resolve(void done.push('a')),
      () => Promise.reject(second),
    ]);
    await attempts.attempt([() => Promise.resolve(void done.push('b'))]);
    expect(done).toEqual(['a', 'b']);
    expect(() => attempts.end()).toThrow(first);
    expect(attempts.namespace).toBe('shop');
  });

  it('that all work end without a word', async () => {
    const attempts = createAttempts('shop');
    await attempts.attempt([() => Promise.resolve()]);
    expect(() => attempts.end()).not.toThrow();
  });

  it.each([
    [undefined, 1],
    [2, 2],
    [9, 5],
  ])('with atOnce %p are %d at the same time', async (atOnce, most) => {
    let running = 0;
    let seen = 0;
    const write = async () => {
      seen = Math.max(seen, ++running);
      await Promise.resolve();
      running--;
    };
    await createAttempts('shop').attempt(
      Array.from({ length: 5 }, () => write),
      atOnce,
    );
    expect(seen).toBe(most);
  });
});
