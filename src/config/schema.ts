import * as z from 'zod';
import { DEFAULT_ANNOTATION_PREFIX } from '../mark.ts';
import { leaderElection } from './leader-election.ts';
import { toConsul } from './to-consul.ts';
import { consul } from './consul.ts';
import { toKubernetes } from './to-kubernetes.ts';
import { NAMESPACE, onOff, text } from './values.ts';

/**
 * Every setting of the daemon: its type, its default and one line of why. `config/consular.yaml` and
 * `config/consular.schema.json` show the same to users; a unit test keeps the three equal.
 */

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Of a name that a cluster can have; CLUSTER_NAME says it in words. */
export function isClusterName(name: string): boolean {
  // `--` separates the cluster from the node in Consul node names, so it cannot be part of either side's label.
  return name.length <= 40 && DNS_LABEL.test(name) && !name.includes('--');
}

/** Prefixes of annotations that are others' to give a meaning to. */
const OTHERS_PREFIXES = ['kubernetes.io', 'k8s.io', 'consul.hashicorp.com'];

function isAnnotationPrefix(text: string): boolean {
  const isOthers = OTHERS_PREFIXES.some((others) => text === others || text.endsWith(`.${others}`));
  return text.length <= 253 && text.split('.').every((label) => DNS_LABEL.test(label)) && !isOthers;
}

const CLUSTER_NAME = 'a DNS label of at most 40 characters, without "--"';

/** `host:port`, the host possibly empty or a bracketed IPv6 address. */
function isListenAddress(address: string): boolean {
  const colon = address.lastIndexOf(':');
  const port = address.slice(colon + 1);
  return colon >= 0 && /^\d{1,5}$/.test(port) && Number(port) <= 65_535;
}

function isHostName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => DNS_LABEL.test(label));
}

export const configSchema = z.strictObject({
  cluster: text(CLUSTER_NAME, isClusterName).describe(
    'Name of this Kubernetes cluster. It is part of the ID of everything that Consular writes to Consul.',
  ),
  besides: z
    .array(text(CLUSTER_NAME, isClusterName))
    .default([])
    .describe(
      'Names (cluster) of other Consulars that are meant to run in this same Kubernetes cluster. Any other name found in Consul for this cluster is an error.',
    ),
  annotationPrefix: z
    .string()
    .refine(
      isAnnotationPrefix,
      'a DNS name in lower case without a slash, like consular.example.com, that is not of Kubernetes or consul-k8s',
    )
    .default(DEFAULT_ANNOTATION_PREFIX)
    .describe(
      'Prefix, before the slash, of the annotations and the readiness gate that users write. A different one keeps two Consulars in one cluster apart.',
    ),
  writes: onOff.describe(
    'off: Consular writes nothing in either system but the Lease, and goes on reading. A change counts within 2 s.',
  ),
  kubernetes: z
    .strictObject({
      kubeconfig: z
        .string()
        .default('')
        .describe(
          'Path of a kubeconfig. Empty: KUBECONFIG, else the service account of the pod that Consular runs in, else ~/.kube/config.',
        ),
      context: z.string().default('').describe('Context in the kubeconfig. Empty: its current context.'),
      identityNamespace: z
        .string()
        .refine((text) => NAMESPACE.test(text), 'the name of a namespace')
        .default('kube-system')
        .describe(
          'Namespace whose uid identifies this cluster in Consul. Change it only if Consular has no right to get kube-system.',
        ),
    })
    .prefault({}),
  consul,
  toConsul,
  toKubernetes,
  leaderElection,
  controlFile: z
    .string()
    .default('')
    .describe(
      'File with lines that Consular obeys: hashes of what is retained and may go, and writes off. Empty: none.',
    ),
  http: z
    .strictObject({
      address: text('an address like 0.0.0.0:8080', isListenAddress)
        .default('0.0.0.0:8080')
        .describe('Address at which /healthz, /readyz, /metrics and /status answer.'),
      page: z
        .boolean()
        .default(true)
        .describe('Serve the status page at / of that address: what /status has, and lists that can be searched.'),
      hosts: z
        .array(text('a DNS name in lower case without a port', isHostName))
        .default([])
        .describe(
          'Your own DNS names for that address, such as that of an ingress. IP addresses, names without a dot, *.svc and *.cluster.local need no entry. Under any other name only probes are answered.',
        ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .default('info')
        .describe('The least severe level that is logged.'),
      format: z.enum(['json', 'text']).default('json').describe('json: one JSON object a line. text: for people.'),
    })
    .prefault({}),
});

/** What the environment says of proxies; empty where it says nothing. */
export interface Proxies {
  /** HTTP_PROXY: for `http` addresses. */
  readonly http: string;
  /** HTTPS_PROXY: for `https` addresses. */
  readonly https: string;
  /** NO_PROXY: what is asked for without a proxy. */
  readonly none: string;
}

type Parsed = z.infer<typeof configSchema>;

/** What both directions read in the objects of others. */
type Reading = Readonly<Pick<Parsed, 'annotationPrefix'>>;

/** The parsed configuration, with what the environment added. Durations are milliseconds. */
export type Config = Readonly<
  Omit<Parsed, 'kubernetes' | 'consul' | 'toConsul' | 'toKubernetes'> & {
    toConsul: Readonly<Parsed['toConsul']> & Reading;
    toKubernetes: Readonly<Parsed['toKubernetes']> & Reading;
    kubernetes: Readonly<Parsed['kubernetes']>;
    /** `token` comes from CONSUL_HTTP_TOKEN only: a secret has no place in a configuration file. Proxies are the environment's. */
    consul: Readonly<Parsed['consul'] & { token: string; proxies: Proxies }>;
  }
>;
export type ConsulConfig = Config['consul'];
export type KubernetesConfig = Config['kubernetes'];
export type ToConsulConfig = Readonly<Config['toConsul']>;
export type ToKubernetesConfig = Readonly<Config['toKubernetes']>;
