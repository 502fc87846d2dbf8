import { describe, expect, it } from '@jest/globals';
import { inBackground, onBackgroundFailure } from '../../src/background.ts';

describe('work that nobody waits for', () => {
  it('ends nothing when it fails: it is told, to whoever listens', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    const told: unknown[] = [];
    const end = onBackgroundFailure((error) => told.push(error));
    const [first, second] = [new Error('first'), new Error('second')];
    inBackground(Promise.reject(first));
    inBackground(Promise.resolve());
    inBackground(undefined);
    await new Promise((resolve) => setImmediate(resolve));
    end();
    inBackground(Promise.reject(second));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(told).toEqual([first]);
    expect(unhandled).toEqual([]);
  });
});
