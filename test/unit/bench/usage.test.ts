import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { cpuSecondsIn, memoryIn, usageOf } from '../../bench/usage.ts';

describe('what a process uses', () => {
  it('is its own time, user and system, and that of children that were waited for', () => {
    const stat = '42 (a (b) c) S 1 42 42 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 11 0 12345 1000 200';
    expect(cpuSecondsIn(stat)).toBe(2.5);
  });

  it('is its memory now, and at its peak, in MiB', () => {
    expect(memoryIn('Name:\tnode\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n')).toEqual({
      residentMiB: 100,
      peakMiB: 200,
    });
  });

  it('has that of living children in it', async () => {
    const program = 'console.log("up"); setInterval(() => undefined, 1000)';
    // The shell itself has 2 MiB, the Node that it waits for more than 30.
    const shell = spawn('sh', ['-c', '"$0" -e "$1"; true', process.execPath, program], { detached: true });
    try {
      await once(shell.stdout, 'data');
      expect((await usageOf(shell.pid ?? NaN)).residentMiB).toBeGreaterThan(20);
    } finally {
      if (shell.pid) process.kill(-shell.pid, 'SIGKILL');
    }
  });

  it('is not known of a process that is gone', async () => {
    const child = spawn(process.execPath, ['--version']);
    await once(child, 'exit');
    await expect(usageOf(child.pid ?? NaN)).rejects.toThrow('ENOENT');
  });
});
