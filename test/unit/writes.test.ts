import { describe, expect, it } from '@jest/globals';
import { NotApplied } from '../../src/consul/errors.ts';
import { isWritesOff, readSwitch, Writes, WritesOff } from '../../src/writes.ts';

function switchAt(...times: string[]) {
  return new Writes({ date: () => new Date(times.shift() ?? '2026-01-01T00:00:00Z') });
}

/** What may be written: everything, the own entry, the fence. */
function allowed(writes: Writes): boolean[] {
  return [() => writes.assertOn(), () => writes.assertLastWord(), () => writes.assertFence()].map((assert) => {
    try {
      assert();
      return true;
    } catch (error) {
      if (error instanceof WritesOff) return false;
      throw error;
    }
  });
}

describe('the switch of all writes', () => {
  it('is on as long as nobody says off, and off as long as anybody does', () => {
    const writes = switchAt('2026-11-30T01:00:00Z', '2026-11-30T02:00:00Z');
    expect(writes.off).toBeUndefined();
    writes.say('setting', 'setting writes');
    writes.say('lease', 'the Lease');
    expect(writes.off).toEqual({ since: new Date('2026-11-30T01:00:00Z'), by: ['setting writes', 'the Lease'] });
    writes.say('setting', undefined);
    expect(writes.off).toMatchObject({ since: new Date('2026-11-30T01:00:00Z'), by: ['the Lease'] });
    writes.say('lease', undefined);
    expect(writes.off).toBeUndefined();
  });

  it('lets nothing pass from the moment on in which somebody says off, but the last word', () => {
    const writes = new Writes();
    expect(allowed(writes)).toEqual([true, true, true]);
    writes.say('lease', 'the Lease');
    expect(allowed(writes)).toEqual([false, true, true]);
    writes.enter('off');
    expect(allowed(writes)).toEqual([false, false, false]);
    expect(() => writes.assertOn()).toThrow('expected writes to be on, found that they are off: the Lease');
  });

  it('opens for the fence and the own entry first, and closes again when somebody says off meanwhile', () => {
    const writes = new Writes();
    writes.say('lease', 'the Lease');
    writes.enter('off');
    writes.say('lease', undefined);
    expect(allowed(writes)).toEqual([false, false, false]);
    writes.enter('opening');
    expect(allowed(writes)).toEqual([false, true, true]);
    writes.say('setting', 'setting writes');
    expect(writes.phase).toBe('closing');
  });

  it('tells each change once', () => {
    const writes = new Writes();
    let told = 0;
    writes.subscribe(() => told++);
    for (const said of [undefined, 'a', 'a', undefined, undefined]) writes.say('lease', said);
    expect(told).toBe(2);
  });

  it('is known as the cause of what failed for it', () => {
    expect(isWritesOff(new NotApplied(new WritesOff(['x'])))).toBe(true);
    expect(isWritesOff(new NotApplied(new Error('x')))).toBe(false);
    expect(isWritesOff('x')).toBe(false);
  });

  it.each([
    [undefined, undefined],
    ['on', undefined],
    [' ON\n', undefined],
    ['true', undefined],
    ['off', 'says off'],
    ['False', 'says off'],
    ['stop', 'says "stop", which is not on'],
    ['', 'says "", which is not on'],
  ])('%j in an annotation or the control file means %j', (text, why) => {
    expect(readSwitch(text)).toBe(why);
  });
});
