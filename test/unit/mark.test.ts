import { describe, expect, it } from '@jest/globals';
import {
  cameFromKubernetes,
  isMarkedObject,
  isOfOtherCluster,
  ownershipLabels,
  ownsInstance,
  ownsNode,
  ownsObject,
} from '../../src/mark.ts';
import { nodeMeta } from '../../src/to-consul/registration/registration.ts';
import { owner, strings } from './builders.ts';

const node = nodeMeta(owner);
const labels = ownershipLabels(owner);

describe('a Consul node is ours', () => {
  it.each([
    ['with the meta that we give it', node, true],
    ['whatever else it carries', { ...node, team: 'shop' }, true],
    ['of another cluster: no', { ...node, 'k8s-cluster': 'test' }, false],
    ['of another cluster with our name: no', { ...node, 'k8s-cluster-uid': 'another' }, false],
    ['of a tool that shares our keys: no', { ...node, 'managed-by': 'consul-k8s' }, false],
    ['without meta: no', {}, false],
  ])('%s', (_, meta, ours) => {
    expect(ownsNode(owner, strings(meta))).toBe(ours);
  });
});

describe('a service instance', () => {
  it.each([
    ['of ours', { 'managed-by': 'consular', 'k8s-cluster': 'prod' }, true, true],
    ["of another cluster's Consular", { 'managed-by': 'consular', 'k8s-cluster': 'test' }, false, true],
    ['of the catalog sync of consul-k8s', { 'external-source': 'kubernetes' }, false, true],
    [
      'of the catalog sync of consul-k8s, with another source by annotation',
      { 'external-source': 'x', 'external-k8s-ns': 'shop' },
      false,
      true,
    ],
    ['of the mesh of consul-k8s', { 'managed-by': 'consul-k8s-endpoints-controller' }, false, true],
    ['with our cluster and not our mark', { 'k8s-cluster': 'prod' }, false, false],
    ['of nomad', { 'external-source': 'nomad' }, false, false],
    ['of a Spring application', { secure: 'false' }, false, false],
  ])('%s', (_, meta, ours, fromKubernetes) => {
    expect(ownsInstance(owner, strings(meta))).toBe(ours);
    expect(cameFromKubernetes({ meta: strings(meta) })).toBe(fromKubernetes);
  });

  it.each([
    ['ours', { 'managed-by': 'consular', 'k8s-cluster': 'prod' }, false],
    ["another cluster's Consular", { 'managed-by': 'consular', 'k8s-cluster': 'test' }, true],
    ['a Consular that does not say where', { 'managed-by': 'consular' }, true],
    ['somebody else', { 'k8s-cluster': 'test' }, false],
  ])('of %s', (_, meta, other) => {
    expect(isOfOtherCluster(owner.cluster, strings(meta))).toBe(other);
  });
});

describe('a Kubernetes object', () => {
  it.each([
    ['of ours', labels, true, true],
    ["of another cluster's Consular", { ...labels, 'consular.dev/cluster': 'test' }, false, true],
    ['whose cluster label was taken away', { 'app.kubernetes.io/managed-by': 'consular' }, false, true],
    ['whose managed-by label was taken away', { 'consular.dev/cluster': 'prod' }, false, false],
    ['of Helm', { ...labels, 'app.kubernetes.io/managed-by': 'Helm' }, false, false],
    ['without labels', {}, false, false],
  ])('%s', (_, labels, ours, marked) => {
    expect(ownsObject(owner, strings(labels))).toBe(ours);
    expect(isMarkedObject(strings(labels))).toBe(marked);
  });
});
