import { describe, expect, it } from '@jest/globals';
import { measureEach } from '../../bench/report.ts';

describe('sizes that are measured one after the other', () => {
  const isEnough = (figures: readonly number[]) => figures.includes(10);
  const failsFrom = (least: number) => (size: number) =>
    size < least ? Promise.resolve(size) : Promise.reject(new Error(`no room for ${size}`));

  it('are all there where none fails', async () => {
    expect(await measureEach([1, 10, 100], failsFrom(1000), isEnough)).toEqual({ figures: [1, 10, 100] });
  });

  it('are there up to the first that fails, which is told, and no later one is tried', async () => {
    const failure = new Error('no room for 100');
    expect(await measureEach([1, 10, 100, 5], failsFrom(100), isEnough)).toEqual({ figures: [1, 10], failure });
  });

  it('fail where there is not enough to print', async () => {
    await expect(measureEach([1, 10, 100], failsFrom(10), isEnough)).rejects.toThrow('no room for 10');
  });
});
