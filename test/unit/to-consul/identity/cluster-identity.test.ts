import { describe, expect, it } from '@jest/globals';
import { ClusterIdentityError, ownsNodeOrThrow } from '../../../../src/to-consul/identity/cluster-identity.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';

describe('a node whose name says that it is ours', () => {
  const node = (meta: Readonly<Record<string, string>>) => ({
    ...{ name: 'k8s-prod', address: '', meta: strings(meta), modifyIndex: 1 },
  });

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
