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
        'Rule for a service name that no other rule mentions. deny: refused if foreign instances have the name, or another namespace published it first.',
      ),
    rules: z
      .array(z.strictObject({ namespaces: z.array(name).min(1), services: z.array(name.toLowerCase()).min(1) }))
      .default([])
      .describe(
        'Which namespaces may publish which service names: {namespaces: [shop-*], services: [orders]}. No other namespace may publish a name that is in a rule.',
      ),
    reserved: z
      .array(name.toLowerCase())
      .default(['nomad', 'nomad-client', 'vault', '*-sidecar-proxy'])
      .describe('Service names that nobody may publish, in addition to consul and consular.'),
    tags: patterns(name, ['*'], []).describe('Tags that users may set.'),
    meta: patterns(name, ['*'], []).describe('Meta keys that users may set.'),
    maxInstances: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe(
        'How many instances one namespace may have. Pods beyond the limit wait until an instance goes. 0: no limit.',
      ),
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
        'What both directions read of Kubernetes. namespaces: only the namespaces that the settings name, with a Role in each and no right to the whole cluster.',
      ),
    namespaces: patterns(name, ['*'], ['kube-system', 'kube-public', 'kube-node-lease']).describe(
      'Kubernetes namespaces whose pods may be registered. * matches any number of characters.',
    ),
    selector: z
      .string()
      .refine(isLabelSelector, 'a label selector like team=shop,tier in (web,api),!legacy')
      .default('')
      .describe('Label selector, as for kubectl, of the pods that Consular reads and may register. Empty: all pods.'),
    notReady: z
      .enum(['deregister', 'critical'])
      .default('deregister')
      .describe(
        'What happens to the instance of a pod that is not Ready. Spring sends traffic to critical instances, so the default is deregister.',
      ),
    addressFamily: z
      .enum(['pod', 'IPv4', 'IPv6'])
      .default('pod')
      .describe("Which address of a dual-stack pod is registered. pod: the pod's first address."),
    hostNetwork: z.boolean().default(false).describe("Also register pods with hostNetwork, at their node's address."),
    readinessGate: z
      .boolean()
      .default(false)
      .describe(
        'Serve the readiness gate consular.dev/registered. It needs the right to patch pods/status, and an outage of Consul then holds up rollouts.',
      ),
    injectedContainers: z
      .array(name)
      .default([])
      .describe(
        'Names of containers that others inject into pods. Their ports are never the default port. Those of known meshes need no entry. * matches any number of characters.',
      ),
    registrator: z
      .boolean()
      .default(false)
      .describe("Read registrator's SERVICE_* environment variables of containers, for pods without annotations."),
    registratorExplicit: z
      .boolean()
      .default(true)
      .describe("Like registrator's -explicit: leave out ports without a SERVICE_NAME."),
    policy,
    removals: onNever.describe(
      'never: no instance is deregistered. One that would be deregistered stays with a critical check until removals are on.',
    ),
    ownEntry: z
      .strictObject({
        tags: z
          .array(name)
          .default(['traefik.enable=false'])
          .describe("Tags of Consular's own entry in Consul. The default keeps Traefik from routing to it."),
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
