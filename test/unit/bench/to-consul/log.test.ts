import { describe, expect, it } from '@jest/globals';
import { readCompletelyAt } from '../../../bench/to-consul/log.ts';

const record = (kind: string, second: number) =>
  JSON.stringify({ message: 'read completely', kind, timestamp: `2026-01-01T00:00:0${second}.500Z` });

describe('when Kubernetes was read completely', () => {
  it('is when the last of pods, slices and Services was', () => {
    const lines = [record('Pod', 2), 'no record', record('EndpointSlice', 3), record('Service', 1), record('Node', 4)];
    expect(readCompletelyAt(lines)).toBe(Date.parse('2026-01-01T00:00:03.500Z'));
  });

  it('is the first time', () => {
    const lines = [record('Pod', 2), record('EndpointSlice', 3), record('Service', 1), record('EndpointSlice', 9)];
    expect(readCompletelyAt(lines)).toBe(Date.parse('2026-01-01T00:00:03.500Z'));
  });

  it('is not known before all three were', () => {
    expect(readCompletelyAt([record('Pod', 2), record('Service', 1)])).toBeUndefined();
  });
});
