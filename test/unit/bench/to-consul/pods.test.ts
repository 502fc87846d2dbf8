import { describe, expect, it } from '@jest/globals';
import { CLASSES, isProbe, podAt, PROBES, probesOf } from '../../../bench/to-consul/pods.ts';

describe.each([1000, 10_000, 50_000])('%d pods of the benchmark', (size) => {
  const pods = Array.from({ length: size }, (_, i) => podAt(i));
  const count = (values: readonly string[]) => new Set(values).size;

  it('have a service for every 10 and a node for every 100', () => {
    expect(count(pods.map(({ service }) => service))).toBe(size / 10);
    expect(count(pods.map(({ node }) => node))).toBe(size / 100);
  });

  it('have names and addresses of their own, also after replacements', () => {
    const all = [...pods, ...pods.map(({ index }) => podAt(index, 1)), ...pods.map(({ index }) => podAt(index, 2))];
    expect(count(all.map(({ ip }) => ip))).toBe(3 * size);
    // Probes are never replaced.
    const replaceable = all.filter((pod) => !isProbe(pod));
    expect(count(replaceable.map(({ name }) => name))).toBe(replaceable.length);
  });

  it.each(CLASSES)('have 20 probes in services with that many pods: %d', (podsOfService) => {
    const probes = probesOf(podsOfService);
    expect(count(probes.map(({ name }) => name))).toBe(PROBES);
    expect(count(probes.map(({ node }) => node))).toBe(10);
    const sizes = probes.map((probe) => pods.filter(({ service }) => service === probe.service).length);
    expect(new Set(sizes)).toEqual(new Set([podsOfService]));
    expect(probes).toEqual(probes.map(({ index }) => pods[index]));
    expect(probes.every(isProbe)).toBe(true);
  });

  it('have enough that are no probes and can be replaced', () => {
    expect(pods.filter((pod) => !isProbe(pod)).length).toBe(size - 3 * PROBES);
  });
});
