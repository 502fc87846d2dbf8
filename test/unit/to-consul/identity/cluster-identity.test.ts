import { describe, expect, it } from '@jest/globals';
import {
  assertNotRenamed,
  ClusterIdentityError,
  ClusterRenamedError,
  ownsNodeOrThrow,
} from '../../../../src/to-consul/identity/cluster-identity.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';

const node = (meta: Readonly<Record<string, string>>, name = 'k8s-prod') => ({
  ...{ name, address: '', meta: strings(meta), modifyIndex: 1 },
});

describe('a node whose name says that it is ours', () => {
  it('is ours with our uid', () => {
    expect(() => ownsNodeOrThrow(owner, node(nodeMeta(owner)))).not.toThrow();
  });

  it.each([
    [
      'another uid',
      nodeMeta({ ...owner, clusterUid: 'uid-of-another' }),
      'uid uid-of-another, and this one has uid uid-of-kube-system',
    ],
    ['no uid', {}, 'uid (none), and this one has uid uid-of-kube-system'],
  ])('is taken with %s, and the error says by whom', (_, meta, why) => {
    const look = () => ownsNodeOrThrow(owner, node(meta));
    expect(look).toThrow(ClusterIdentityError);
    expect(look).toThrow(
      `cluster name "prod": Consul node k8s-prod was registered for the Kubernetes cluster with ${why}`,
    );
  });
});

describe('nodes with the uid of our cluster', () => {
  const named = (cluster: string, name = `k8s-${cluster}`) => node(nodeMeta({ ...owner, cluster }), name);
  const look = (besides: readonly string[], ...nodes: ReturnType<typeof node>[]) => {
    return () => assertNotRenamed(owner, besides, nodes);
  };

  it.each<[string, readonly string[], ReturnType<typeof node>[]]>([
    ['there are none', [], []],
    ['all have our name', [], [named('prod'), named('prod', 'k8s-prod--worker-1')]],
    ['the others are meant to be there', ['team-a', 'team-b'], [named('prod'), named('team-a'), named('team-b')]],
    ['somebody else made the other', [], [node({ ...nodeMeta({ ...owner, cluster: 'old' }), 'managed-by': 'me' })]],
    ['the other has the uid of another cluster', [], [node(nodeMeta({ cluster: 'old', clusterUid: 'another' }))]],
    ['the other has no name', [], [node({ 'managed-by': 'consular', 'k8s-cluster-uid': owner.clusterUid })]],
  ])('are no sign of another name when %s', (_, besides, nodes) => {
    expect(look(besides, ...nodes)).not.toThrow();
  });

  it('with another name are an error that says which, on which node, and both ways out', () => {
    const renamed = look([], named('prod'), named('old', 'k8s-old--worker-1'), named('old'));
    expect(renamed).toThrow(ClusterRenamedError);
    expect(renamed).toThrow(
      'cluster name "prod": this Kubernetes cluster (uid uid-of-kube-system) is in Consul under the name "old", on 2 nodes ' +
        'such as "k8s-old--worker-1". If the setting "cluster" was changed, change it back',
    );
    expect(renamed).toThrow('say so with the setting "besides": [old]');
  });

  it('with several other names are an error that has all of them but those that are meant', () => {
    const renamed = look(['team-a'], named('team-a'), named('team-b'), named('old'));
    expect(renamed).toThrow('under the name "old" and "team-b", on 2 nodes');
    expect(renamed).toThrow('"besides": [old, team-b]');
  });
});
