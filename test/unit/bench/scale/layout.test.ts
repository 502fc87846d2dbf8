import { describe, expect, it } from '@jest/globals';
import { layOut, nodeOf, PROBED_SIZES, serviceOf } from '../../../bench/scale/layout.ts';
import { podIP, podName, podUid, SAMPLE_SIZES, serviceIP } from '../../../bench/scale/names.ts';

describe('the layout of the replayed cluster', () => {
  it('has the shape of the largest cluster at 150 000 pods', () => {
    const { nodes, services } = layOut(150_000);
    expect(nodes).toBe(5000);
    expect(services.length).toBe(10_011);
  });

  it.each([1000, 10_000, 150_000])('gives each of %d pods one service, of a size that is recorded', (pods) => {
    const layout = layOut(pods);
    const ends = layout.services.map(({ firstPod, pods: size }) => firstPod + size);
    expect(layout.services.map(({ firstPod }) => firstPod)).toEqual([0, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(pods);
    const sizes = new Set<number>(layout.services.map((service) => service.pods));
    expect([...sizes].filter((size) => !SAMPLE_SIZES.some((known) => known === size))).toEqual([]);
  });

  it.each(PROBED_SIZES)('flips 20 different pods of services with %d pods', (size) => {
    const layout = layOut(1000);
    const probes = layout.probes.get(size) ?? [];
    expect(new Set(probes).size).toBe(20);
    for (const pod of probes) expect(layout.services[serviceOf(layout, pod)]?.pods).toBe(size);
  });

  it('finds the service and the node of any pod', () => {
    const layout = layOut(1000);
    for (const [index, { firstPod, pods }] of layout.services.entries()) {
      expect(serviceOf(layout, firstPod)).toBe(index);
      expect(serviceOf(layout, firstPod + pods - 1)).toBe(index);
    }
    expect(nodeOf(layout, 999)).toBeLessThan(layout.nodes);
  });
});

describe('the names of the replayed cluster', () => {
  const numbers = [0, 7, 99, 100, 9999, 10_000, 149_999];

  it.each([podName, podIP, podUid])('have one length, and are another for each number (%p)', (name) => {
    const texts = numbers.map(name);
    expect(new Set(texts.map((text) => text.length)).size).toBe(1);
    expect(new Set(texts).size).toBe(numbers.length);
  });

  it('keep ClusterIPs in the range of the control plane', () => {
    expect(serviceIP(10_010)).toBe('10.96.100.110');
    expect(serviceIP(0)).toBe('10.96.100.100');
  });
});
