import type { Config } from '../../config/schema.ts';
import type { AclAccess } from '../../consul/own-token.ts';
import { fenceKey } from '../../leadership/fence-record.ts';

/** One rule of Consul's ACL policy. */
export interface NeededAcl extends AclAccess {
  /** About all names that begin with the segment. */
  readonly isPrefix: boolean;
  /** What does not work without it. */
  readonly without: string;
  /** How bad that is. */
  readonly level: 'warning' | 'error';
}

/**
 * Every right in Consul that `run` needs with these settings. The one list of them beside deploy/consul/policy.hcl, to which a
 * test holds it equal, but for the names of services: these are the policy's own.
 *
 * @param names of Consul services that pods of this cluster ask for
 */
export function neededAcls(
  { cluster, toConsul }: Pick<Config, 'cluster' | 'toConsul'>,
  names: readonly string[],
): NeededAcl[] {
  const ofPods: NeededAcl[] = [
    {
      ...{ resource: 'node', isPrefix: true, segment: `k8s-${cluster}--`, access: 'write', level: 'error' },
      without: 'no pod is registered',
    },
    ...names.map((name): NeededAcl => {
      const without = 'pods and Services that ask for this name are not registered';
      return { resource: 'service', isPrefix: false, segment: name, access: 'write', level: 'error', without };
    }),
  ];
  return [
    ...(toConsul.enabled ? ofPods : []),
    {
      ...{ resource: 'node', isPrefix: false, segment: `k8s-${cluster}`, access: 'write', level: 'warning' },
      without: "Consular's own entry is missing: the name of the cluster is not held, and lost rights are noticed late",
    },
    {
      ...{ resource: 'service', isPrefix: false, segment: 'consular', access: 'write', level: 'warning' },
      without: "Consular's own entry is missing: the name of the cluster is not held, and lost rights are noticed late",
    },
    {
      ...{ resource: 'key', isPrefix: false, segment: fenceKey(cluster), access: 'write', level: 'warning' },
      without: 'writes to Consul are not fenced',
    },
    {
      ...{ resource: 'node', isPrefix: true, segment: '', access: 'read', level: 'error' },
      without: 'the daemon does not become ready: it believes nothing that was filtered',
    },
    {
      ...{ resource: 'service', isPrefix: true, segment: '', access: 'read', level: 'error' },
      without: 'the daemon does not become ready: it believes nothing that was filtered',
    },
    {
      ...{ resource: 'agent', isPrefix: true, segment: '', access: 'read', level: 'warning' },
      without: 'the version of Consul is not known, and transactions stay small',
    },
  ];
}

/** `node_prefix "k8s-dev--"`. */
export function describeAcl({ resource, isPrefix, segment }: Omit<NeededAcl, 'level' | 'without' | 'access'>): string {
  return `${resource}${isPrefix ? '_prefix' : ''} ${JSON.stringify(segment)}`;
}

/** In the words of a policy file. */
export function aclRule(acl: NeededAcl): string {
  return `${describeAcl(acl)} {\n  policy = "${acl.access}"\n}\n`;
}
