import * as z from 'zod';
import { leaderElection } from './leader-election.ts';
import { toConsul } from './to-consul.ts';
import { toKubernetes } from './to-kubernetes.ts';
import { text } from './values.ts';

/**
 * Every setting of the daemon: its type, its default and one line of why. `config/consular.yaml` and
 * `config/consular.schema.json` show the same to users; a unit test keeps the three equal.
 */

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function isClusterName(name: string): boolean {
  // `--` separates the cluster from the node in Consul node names, so it cannot be part of either side's label.
  return name.length <= 40 && DNS_LABEL.test(name) && !name.includes('--');
}

const CLUSTER_NAME = 'a DNS label of at most 40 characters, without "--"';

/** `host:port`, the host possibly empty or a bracketed IPv6 address. */
function isListenAddress(address: string): boolean {
  const colon = address.lastIndexOf(':');
  const port = address.slice(colon + 1);
  return colon >= 0 && /^\d{1,5}$/.test(port) && Number(port) <= 65_535;
}

function isHttpUrl(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
}

/** Consul's own secrets are UUIDs, those of others at times JWTs: neither may be shown as the path of a file that is not there. */
function isToken(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) || /^eyJ[\w-]+(\.[\w-]+){2}$/.test(text);
}

export const configSchema = z.strictObject({
  cluster: text(CLUSTER_NAME, isClusterName).describe(
    'Name of this Kubernetes cluster; it stands in the ID of everything that Consular writes to Consul.',
  ),
  besides: z
    .array(text(CLUSTER_NAME, isClusterName))
    .default([])
    .describe(
      'Names of other Consulars that are meant to run in this same Kubernetes cluster; without them a changed name is an error.',
    ),
  kubernetes: z
    .strictObject({
      kubeconfig: z
        .string()
        .default('')
        .describe('Path of a kubeconfig; empty: KUBECONFIG, else the pod it runs in, else ~/.kube/config.'),
      context: z.string().default('').describe('Context in that kubeconfig; empty: its current one.'),
    })
    .prefault({}),
  consul: z
    .strictObject({
      address: text('an http or https URL without credentials', isHttpUrl)
        .default('http://127.0.0.1:8500')
        .describe('Consul servers or a load balancer in front of them; CONSUL_HTTP_ADDR when the file says nothing.'),
      datacenter: z.string().default('').describe('Datacenter to register in; empty: the one that answers.'),
      tokenFile: z
        .string()
        .refine((path) => !isToken(path), 'the path of a file with the token')
        .default('')
        .describe('File with the ACL token; read again when it changes.'),
      caFile: z.string().default('').describe('CA certificates that Consul must present one of.'),
      certFile: z.string().default('').describe('Client certificate for TLS.'),
      keyFile: z.string().default('').describe('Key of the client certificate.'),
      serverName: z
        .string()
        .default('')
        .describe('Name expected in the certificate of Consul, when it is not the host of the address.'),
    })
    .prefault({}),
  toConsul,
  toKubernetes,
  leaderElection,
  controlFile: z
    .string()
    .default('')
    .describe('File that is looked at for hashes of what is retained and may go, one a line; empty: none.'),
  http: z
    .strictObject({
      address: text('an address like 0.0.0.0:8080', isListenAddress)
        .default('0.0.0.0:8080')
        .describe('Where /healthz, /readyz, /metrics and /status answer.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .default('info')
        .describe('The least severe level that is written.'),
      format: z.enum(['json', 'text']).default('json').describe('One JSON object a line, or text for people.'),
    })
    .prefault({}),
});

type Parsed = z.infer<typeof configSchema>;

/** The parsed configuration, with what the environment added. Durations are milliseconds. */
export type Config = Readonly<
  Omit<Parsed, 'kubernetes' | 'consul'> & {
    kubernetes: Readonly<Parsed['kubernetes']>;
    /** `token` comes from CONSUL_HTTP_TOKEN only: a secret has no place in a configuration file. */
    consul: Readonly<Parsed['consul'] & { token: string }>;
  }
>;
export type ConsulConfig = Config['consul'];
export type KubernetesConfig = Config['kubernetes'];
export type LeaderElectionConfig = Readonly<Config['leaderElection']>;
export type ToConsulConfig = Readonly<Config['toConsul']>;
export type ToKubernetesConfig = Readonly<Config['toKubernetes']>;
