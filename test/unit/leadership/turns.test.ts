import { describe, expect, it } from '@jest/globals';
import { Turns } from '../../../src/leadership/turns.ts';
import { settled } from '../clock.ts';

/** Work that notes that it began, and ends when it is told to. */
function stage() {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const end = async () => {
    ends.shift()?.();
    await settled();
  };
  return { begun, end, turns: new Turns(), work };
}

describe('turns', () => {
  it('are taken one after the other', async () => {
    const { begun, end, turns, work } = stage();
    const all = ['a', 'b', 'c'].map((name) => turns.do(work(name)));
    await settled();
    expect(begun).toEqual(['a']);
    await end();
    expect(begun).toEqual(['a', 'b']);
    await end();
    await end();
    await Promise.all(all);
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('go on after one that failed, which is told to whoever asked for it alone', async () => {
    const turns = new Turns();
    const failed = turns.do(() => Promise.reject(new Error('no')));
    const next = turns.do(() => Promise.resolve(1));
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe(1);
  });

  it('are shared by those who ask for the same before it begins, and not after', async () => {
    const { begun, end, turns, work } = stage();
    const [a, b] = [work('a'), work('b')];
    const all = [turns.doOnce(a)];
    await settled();
    all.push(turns.doOnce(b), turns.doOnce(a), turns.doOnce(a), turns.doOnce(b));
    await end();
    await end();
    await end();
    await Promise.all(all);
    expect(begun).toEqual(['a', 'b', 'a']);
  });
});
