import * as z from 'zod';
import { isLabelSelector } from './label-selector.ts';
import { selects } from './pattern.ts';
import { NAMESPACE, name, onNever, patterns } from './values.ts';

const policy = z
  .strictObject({
    default: z
      .enum(['open', 'deny'])
      .default('open')
      .describe(
        'What holds for a name that no rule mentions; deny: refused when foreign instances have it or another namespace published it first.',
      ),
    rules: z
      .array(z.strictObject({ namespaces: z.array(name).min(1), services: z.array(name.toLowerCase()).min(1) }))
      .default([])
      .describe(
        'Which namespaces may publish which names: {namespaces: [shop-*], services: [orders]}; a name in a rule is closed to all others.',
      ),
    reserved: z
      .array(name.toLowerCase())
      .default(['nomad', 'nomad-client', 'vault', '*-sidecar-proxy'])
      .describe('Names that nobody may publish, beside consul and consular.'),
    tags: patterns(name, ['*'], []).describe('Tags that may be set.'),
    meta: patterns(name, ['*'], []).describe('Meta keys that may be set.'),
    maxInstances: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('How many instances one namespace may have; 0: no limit. Those beyond wait until there is room.'),
  })
  .prefault({});

/** Settings of what goes to Consul. */
export const toConsul = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Register annotated pods in Consul.'),
    watch: z
      .enum(['cluster', 'namespaces'])
      .default('cluster')
      .describe(
        'What is read of Kubernetes, by both directions; namespaces: only those that the settings name, with a Role in each and no right to the whole cluster.',
      ),
    namespaces: patterns(name, ['*'], ['kube-system', 'kube-public', 'kube-node-lease']).describe(
      'Kubernetes namespaces whose pods may be registered; * stands for any run of characters.',
    ),
    selector: z
      .string()
      .refine(isLabelSelector, 'a label selector like team=shop,tier in (web,api),!legacy')
      .default('')
      .describe('Label selector of the pods that are read and may be registered, as kubectl takes it; empty: all.'),
    notReady: z
      .enum(['deregister', 'critical'])
      .default('deregister')
      .describe(
        'What becomes of a pod that is not Ready; Spring sends traffic to critical instances, hence deregister.',
      ),
    addressFamily: z
      .enum(['pod', 'IPv4', 'IPv6'])
      .default('pod')
      .describe("Which address of a dual-stack pod is registered; pod: the pod's first."),
    hostNetwork: z.boolean().default(false).describe("Register pods with hostNetwork too, under their node's address."),
    readinessGate: z
      .boolean()
      .default(false)
      .describe(
        'Serve the readiness gate consular.dev/registered; needs the right to patch pods/status, and an outage of Consul then holds up rollouts.',
      ),
    injectedContainers: z
      .array(name)
      .default([])
      .describe(
        'Names of containers that are put into the pods of others, beside those of known meshes: their ports are never the default; * stands for any run of characters.',
      ),
    registrator: z
      .boolean()
      .default(false)
      .describe("Read registrator's SERVICE_* variables of containers, for pods without annotations."),
    registratorExplicit: z
      .boolean()
      .default(true)
      .describe("As registrator's -explicit: ports without a SERVICE_NAME are left out."),
    policy,
    removals: onNever.describe(
      'never: no instance is deregistered; one that would be stays with a critical check, until removals are on.',
    ),
    ownEntry: z
      .strictObject({
        tags: z
          .array(name)
          .default(['traefik.enable=false'])
          .describe("Tags of Consular's own entry in Consul; the default keeps Traefik from routing to it."),
      })
      .prefault({}),
  })
  .superRefine(({ enabled, watch, namespaces }, context) => {
    if (!enabled || watch === 'cluster') return;
    for (const [i, pattern] of namespaces.include.entries())
      if (!NAMESPACE.test(pattern))
        context.addIssue({
          code: 'custom',
          path: ['namespaces', 'include', i],
          message: 'the name of one namespace and no pattern, because toConsul.watch is namespaces',
          input: pattern,
        });
  })
  .prefault({});

/** The namespaces whose pods are read, where `watch` says that only these are. */
export function watchedNamespaces({ namespaces }: Pick<z.infer<typeof toConsul>, 'namespaces'>): string[] {
  return namespaces.include.filter((name) => selects(namespaces, name));
}
