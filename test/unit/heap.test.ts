import { describe, expect, it, jest } from '@jest/globals';
import { growLess, memoryLimit, missingOptions, startWithHeapOptions } from '../../src/heap.ts';

const SEMI_SPACES = ['--min-semi-space-size=8', '--max-semi-space-size=8'];
const MIB = 2 ** 20;

describe('the options that V8 wants at its start', () => {
  it.each([
    ['nothing was said', [], {}, SEMI_SPACES],
    [
      'something else was said, which stays',
      ['--enable-source-maps'],
      { NODE_OPTIONS: '--max-old-space-size=400' },
      [...SEMI_SPACES, '--enable-source-maps'],
    ],
    ['they are there', SEMI_SPACES, {}, undefined],
    ['a debugger is attached', ['--inspect-brk=0'], {}, undefined],
    ['the environment says one in quotes', [], { NODE_OPTIONS: '"--max-semi-space-size=32"' }, undefined],
    ['somebody wants another size', ['--max-semi-space-size=32'], {}, undefined],
    [
      'the environment says one, written otherwise',
      [],
      { NODE_OPTIONS: '--no-warnings --max_semi_space_size=32' },
      undefined,
    ],
  ])('are missing or not where %s', (_, execArgv, env, options) => {
    expect(missingOptions({ execArgv, env })).toEqual(options);
  });

  it('are given to the same program with the same arguments and environment', () => {
    const execve = jest.fn<(file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never>();
    const env = { A: 'b' };
    startWithHeapOptions({
      execPath: '/node',
      execArgv: ['--x'],
      argv: ['/node', 'consular.mjs', 'run', '-c', 'f'],
      env,
      execve,
    });
    expect(execve.mock.calls).toEqual([
      ['/node', ['/node', ...SEMI_SPACES, '--x', 'consular.mjs', 'run', '-c', 'f'], env],
    ]);
  });

  it('are done without where the system does not allow to start anew', () => {
    const execve = () => {
      throw new Error('not permitted');
    };
    expect(() =>
      startWithHeapOptions({ execPath: '/node', execArgv: [], argv: ['/node'], env: {}, execve }),
    ).not.toThrow();
  });

  it('are done without on a Node.js that cannot', () => {
    expect(() => startWithHeapOptions({ execPath: '/node', execArgv: [], argv: ['/node'], env: {} })).not.toThrow();
  });
});

describe('a heap', () => {
  it('grows as V8 likes while it is small', () => {
    expect(growLess(10 * MIB)).toBe(false);
  });

  it('grows by less from then on that it is large', () => {
    expect(growLess(200 * MIB)).toBe(true);
  });
});

describe('the limit of memory', () => {
  const [container, machine] = [512 * MIB, 8192 * MIB];

  it.each([
    ['that of the container', container, container],
    ['the memory of the machine where the container has no limit', 0, machine],
    ['the memory of the machine where the kernel says a number beyond all memory', 2 ** 63, machine],
  ])('is %s', (_, ofContainer, expected) => {
    expect(memoryLimit(ofContainer, machine)).toBe(expected);
  });
});
