import { describe, expect, it } from '@jest/globals';
import { because, byCause, FailingSince } from '../../../src/observability/causes.ts';
import { TestClock } from '../clock.ts';

const REFUSED = 'no usable answer from Consul: connect ECONNREFUSED 127.0.0.1:8500';

describe('a reason', () => {
  it.each([
    ['reset', 'read critical checks: reset'],
    ['read critical checks: reset', 'read critical checks: reset'],
    ['read critical checksums: reset', 'read critical checks: read critical checksums: reset'],
  ])('%j has its name before it once', (why, line) => {
    expect(because('read critical checks', why)).toBe(line);
  });
});

describe('what fails', () => {
  it.each<[string, string[], string[]]>([
    ['nothing', [], []],
    [
      'for one cause is one sentence',
      [`read a: ${REFUSED}`, `Consul services: read b, read c: ${REFUSED}`, `read d: ${REFUSED}`],
      [`read a, Consul services: read b, read c, read d: ${REFUSED}`],
    ],
    ['for several is one for each, in their order', ['a: x', 'b: y', 'c: x'], ['a, c: x', 'b: y']],
    ['twice alike is told once', ['a: b: x', 'a: b: x'], ['a: b: x']],
    ['without a name stands for itself', ['starting', 'a: x'], ['starting', 'a: x']],
    ['in the same way is named by all of them', ['a: not read yet', 'b: not read yet'], ['a, b: not read yet']],
    ['at another place for the same reason', ['a: 500: x', 'b: 503: x'], ['a: 500, b: 503: x']],
  ])('%s', (_, failures, lines) => {
    expect(byCause(failures)).toEqual(lines);
  });

  it('is named by the first few, and how many more', () => {
    expect(byCause(['a: x', 'b: x', 'c: x', 'd: x', 'e: x', 'f: y'], 3)).toEqual(['a, b, c and 2 more: x', 'f: y']);
  });

  it('is told since when, whatever it fails with by now, and anew when it was well in between', async () => {
    const clock = new TestClock();
    const since = new FailingSince(clock);
    expect(since.note(['a: reset'])).toEqual(['a: reset (since 2026-10-20T00:00:00Z)']);
    await clock.advance(5000);
    expect(since.note(['a: refused', 'b: refused', 'c: gone'])).toEqual([
      'a, b: refused (since 2026-10-20T00:00:00Z)',
      'c: gone (since 2026-10-20T00:00:05Z)',
    ]);
    expect(since.note([])).toEqual([]);
    await clock.advance(5000);
    expect(since.note(['a: reset'])).toEqual(['a: reset (since 2026-10-20T00:00:10Z)']);
  });
});
