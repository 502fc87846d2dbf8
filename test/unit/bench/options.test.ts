import { describe, expect, it } from '@jest/globals';
import { readOptions, tableSize } from '../../bench/options.ts';

describe('the options of the benchmark', () => {
  it('are those of the whole table by default', () => {
    expect(readOptions(['to-consul'])).toEqual({
      direction: 'to-consul',
      sizes: [1000, 10_000],
      idleSeconds: 120,
      flips: 320,
      starts: 3,
      replacement: false,
      output: 'text',
    });
  });

  it('are others for the other direction', () => {
    expect(readOptions(['to-kubernetes'])).toEqual({
      direction: 'to-kubernetes',
      sizes: [100, 3000],
      idleSeconds: 120,
      flips: 400,
      changes: 16,
      output: 'text',
    });
    expect(readOptions(['to-kubernetes', '--quick', '--sizes', '200'])).toMatchObject({
      sizes: [200],
      idleSeconds: 15,
      flips: 200,
      changes: 2,
    });
  });

  it('are few for the largest cluster', () => {
    expect(readOptions(['scale'])).toEqual({
      direction: 'scale',
      sizes: [1000, 50_000, 150_000],
      idleSeconds: 60,
      flips: 400,
      output: 'text',
    });
    expect(readOptions(['scale', '--pods', '10000'])).toMatchObject({ sizes: [10_000] });
    expect(() => readOptions(['scale', '--pods', '200000'])).toThrow(
      '--pods: expected a multiple of 1000 from 1000 to 150000, found "200000"',
    );
    expect(() => readOptions(['scale', '--sizes', '1000'])).toThrow(
      '--sizes: expected with another benchmark than scale',
    );
    expect(() => readOptions(['to-consul', '--pods', '1000'])).toThrow('--pods: expected with scale only');
  });

  it('--quick is a default that each option overrides', () => {
    expect(readOptions(['to-consul', '--quick', '--idle', '5', '--replacement', '--output', 'json'])).toEqual({
      direction: 'to-consul',
      sizes: [1000],
      idleSeconds: 5,
      flips: 80,
      starts: 1,
      replacement: true,
      output: 'json',
    });
  });

  it('sizes are each measured once, the smallest first', () => {
    expect(readOptions(['to-consul', '--sizes', '10000,2000,10000'])?.sizes).toEqual([2000, 10_000]);
  });

  it.each([[[]], [['--help']], [['to-consul', '--help']]])('%j asks for the help', (args) => {
    expect(readOptions(args)).toBeUndefined();
  });

  it.each([
    [['sideways'], 'expected one of to-consul, to-kubernetes and scale, found "sideways"'],
    [['to-consul', 'again'], 'expected one of to-consul, to-kubernetes and scale, found "to-consul again"'],
    [['to-consul', '--sizes', '1500'], '--sizes: expected a multiple of 1000 from 1000 to 50000, found "1500"'],
    [['to-consul', '--sizes', '1000,'], '--sizes: expected a multiple of 1000 from 1000 to 50000, found ""'],
    [['to-consul', '--flips', '20'], '--flips: expected a multiple of 40 from 40 to 10000, found "20"'],
    [['to-consul', '--idle', '0'], '--idle: expected a whole number from 1 to 86400, found "0"'],
    [['to-consul', '--starts', 'x'], '--starts: expected a whole number from 1 to 20, found "x"'],
    [['to-consul', '--changes', '2'], '--changes: expected with to-kubernetes only'],
    [['to-kubernetes', '--starts', '2'], '--starts: expected with to-consul only'],
    [['to-kubernetes', '--sizes', '150'], '--sizes: expected a multiple of 100 from 100 to 5000, found "150"'],
    [['to-kubernetes', '--flips', '100'], '--flips: expected a multiple of 200 from 200 to 10000, found "100"'],
    [['to-kubernetes', '--changes', '3'], '--changes: expected a multiple of 2 from 2 to 10000, found "3"'],
    [['to-kubernetes', '--replacement'], '--replacement: expected with to-consul only'],
    [['to-consul', '--output', 'yaml'], '--output: expected text, markdown or json, found "yaml"'],
  ])('%j is refused', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });

  it.each([
    [[1000, 10_000, 50_000], 10_000],
    [[1000], 1000],
    [[1000, 50_000], 50_000],
  ])('of %j the whole table is measured at %d', (sizes, expected) => {
    expect(tableSize(sizes)).toBe(expected);
  });
});
