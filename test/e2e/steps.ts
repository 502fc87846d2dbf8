import { it } from '@jest/globals';
import type { World } from './world.ts';

/**
 * `it` for the steps of one story, in order: when one fails, it shows what the processes wrote, and the steps after it,
 * which build on it, are not played.
 */
export function stepsIn(world: () => World): (name: string, play: () => Promise<void>) => void {
  let failed = false;
  return (name, play) =>
    it(name, async () => {
      if (failed) throw new Error('not played, because a step before it failed');
      failed = true;
      try {
        await play();
        failed = false;
      } finally {
        if (failed) process.stderr.write(world().output());
      }
    });
}
