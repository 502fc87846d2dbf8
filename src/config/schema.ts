import { isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { isAddressRange, isHostName } from '../address.ts';

/**
 * Every setting of the daemon: its type, its default and one line of why. `config/consular.yaml` and
 * `config/consular.schema.json` show the same to users; a unit test keeps the three equal.
 */

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** setTimeout overflows above this and fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,10})(ms|s|m|h)$/.exec(text);
  if (!match) return undefined;
  const ms = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  return ms <= LONGEST_MS ? ms : undefined;
}

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

/** An IP address, perhaps with a port; IPv6 is in brackets then. */
function isDnsServer(text: string): boolean {
  const [, bracketed, plain, port = '53'] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return isIP(text) !== 0 || ((isIPv6(bracketed ?? '') || isIPv4(plain ?? '')) && Number(port) <= 65_535);
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
}

/** region/zone/subzone, each with placeholders like `{zone}`. */
function isLocality(text: string): boolean {
  return text.length <= 200 && /^(([A-Za-z0-9._-]|\{[A-Za-z0-9_-]+\})+(\/(?!$)|$)){0,3}$/.test(text);
}

const name = z.string().max(253);
const port = z.int().min(1).max(65_535);
const patterns = (pattern: z.ZodType<string, string>, include: string[], exclude: string[]) =>
  z
    .strictObject({
      include: z.array(pattern).default(include),
      exclude: z.array(pattern).default(exclude),
    })
    .prefault({});

const duration = (fallback: string) =>
  z
    .string()
    .refine((text) => parseDuration(text) !== undefined, 'a duration like 500ms, 60s, 5m or 1h')
    .default(fallback)
    .transform((text) => parseDuration(text) ?? 0);

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

export const configSchema = z.strictObject({
  cluster: z
    .string()
    .refine(isClusterName, CLUSTER_NAME)
    .describe('Name of this Kubernetes cluster; it stands in the ID of everything that Consular writes to Consul.'),
  besides: z
    .array(z.string().refine(isClusterName, CLUSTER_NAME))
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
      address: z
        .string()
        .refine(isHttpUrl, 'an http or https URL without credentials')
        .default('http://127.0.0.1:8500')
        .describe('Consul servers or a load balancer in front of them; CONSUL_HTTP_ADDR when the file says nothing.'),
      datacenter: z.string().default('').describe('Datacenter to register in; empty: the one that answers.'),
      tokenFile: z.string().default('').describe('File with the ACL token; read again when it changes.'),
      caFile: z.string().default('').describe('CA certificates that Consul must present one of.'),
      certFile: z.string().default('').describe('Client certificate for TLS.'),
      keyFile: z.string().default('').describe('Key of the client certificate.'),
      serverName: z
        .string()
        .default('')
        .describe('Name expected in the certificate of Consul, when it is not the host of the address.'),
    })
    .prefault({}),
  toConsul: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Register annotated pods in Consul.'),
      namespaces: patterns(name, ['*'], ['kube-system', 'kube-public', 'kube-node-lease']).describe(
        'Kubernetes namespaces whose pods may be registered; * stands for any run of characters.',
      ),
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
      hostNetwork: z
        .boolean()
        .default(false)
        .describe("Register pods with hostNetwork too, under their node's address."),
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
      ownEntry: z
        .strictObject({
          tags: z
            .array(name)
            .default(['traefik.enable=false'])
            .describe("Tags of Consular's own entry in Consul; the default keeps Traefik from routing to it."),
        })
        .prefault({}),
    })
    .prefault({}),
  toKubernetes: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Mirror services that live only in Consul as Kubernetes Services.'),
      namespaces: z
        .array(name)
        .min(1)
        .default(['default'])
        .describe('Namespaces that get a copy of each mirrored Service.'),
      importNamespaces: z
        .array(name)
        .default([])
        .describe('Namespaces whose own Services may take Consul instances in (consular.dev/import).'),
      services: patterns(name.toLowerCase(), ['*'], []).describe(
        'Consul services to mirror, in any case; * stands for any run of characters.',
      ),
      tagServices: z
        .array(z.strictObject({ service: name.toLowerCase(), tags: z.array(name.min(1)).min(1) }))
        .default([])
        .describe(
          'Services for single tags: {service: pgsql-*, tags: [master]} makes pgsql-main-master beside pgsql-main, of its instances with that tag.',
        ),
      requiredTags: z.array(name).default([]).describe('Only instances with all of these tags are mirrored.'),
      requiredMeta: z
        .array(z.string().refine((text) => /^[^=]+=/.test(text), 'a key and a value like environment=prod'))
        .default([])
        .describe(
          'Only instances with all of this meta are mirrored, as key=value; * in a value stands for any run of characters.',
        ),
      otherClusters: z
        .boolean()
        .default(false)
        .describe('Mirror what the Consular of another Kubernetes cluster registered too.'),
      minHealth: z
        .enum(['warning', 'passing'])
        .default('warning')
        .describe('The least health with which an instance gets traffic; critical ones never do.'),
      denyAddresses: z
        .array(z.string().refine(isAddressRange, 'an address range like 10.0.0.0/8'))
        .default([])
        .describe(
          'Address ranges that no endpoint may be in, like 10.0.0.0/8; those of Services, and what no other machine can call, never may.',
        ),
      allowAddresses: z
        .array(z.string().refine(isAddressRange, 'an address range like 192.0.2.7/32'))
        .default([])
        .describe(
          'Address ranges that endpoints may be in although Consular would refuse them, like the machine of the API server; not those that the API server refuses.',
        ),
      dns: z
        .strictObject({
          servers: z
            .array(z.string().refine(isDnsServer, 'an address like 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53'))
            .default([])
            .describe('DNS servers that know the host names of instances; none: those of the system.'),
          search: z
            .array(z.string().refine(isHostName, 'a domain like example.com'))
            .default([])
            .describe('Domains that host names without a dot are looked for in.'),
        })
        .prefault({}),
      maxServices: z
        .int()
        .min(0)
        .max(100_000)
        .default(500)
        .describe('Beyond this many, new ones are reported and not created.'),
      port: port.default(80).describe('Port of mirrored Services; 443 is used instead when most instances are secure.'),
      aliasPort: z.boolean().default(true).describe('Add a second port, equal to the one that most instances use.'),
      headless: z
        .array(name.toLowerCase())
        .default([])
        .describe(
          'Names of Consul services whose Services get no ClusterIP; meta consular-headless=true says the same.',
        ),
      endpoints: z
        .boolean()
        .default(true)
        .describe('Write v1 Endpoints too, for readers that do not know EndpointSlices.'),
      mode: z
        .enum(['service', 'istio'])
        .default('service')
        .describe(
          'istio: WorkloadEntries too, for subsets in an Istio mesh; the meta consular-mode of its instances overrides it for a service.',
        ),
      istio: z
        .strictObject({
          labels: patterns(name, ['version', 'group', 'zone'], []).describe(
            'Meta keys, and keys of tags like version=v2, that become labels of a WorkloadEntry.',
          ),
          locality: z
            .string()
            .refine(isLocality, 'at most three parts like {region}/{zone}, with meta keys in braces')
            .default('')
            .describe('Locality of a WorkloadEntry, with meta keys in braces, such as {region}/{zone}; empty: none.'),
          serviceAccountMeta: z
            .string()
            .max(128)
            .default('')
            .describe(
              'Meta key by which an instance with a sidecar names its service account: Istio speaks mTLS with it; empty: plain text with all.',
            ),
          slices: z
            .boolean()
            .default(true)
            .describe(
              'Write EndpointSlices beside WorkloadEntries, for clients outside the mesh; false in an ambient mesh, which would read both.',
            ),
        })
        .prefault({}),
      removalGrace: duration('60s').describe(
        'How long a Service outlives its Consul service, so that ClusterIPs survive restarts.',
      ),
    })
    .prefault({}),
  http: z
    .strictObject({
      address: z
        .string()
        .refine(isListenAddress, 'an address like 0.0.0.0:8080')
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
export type ToConsulConfig = Readonly<Config['toConsul']>;
export type ToKubernetesConfig = Readonly<Config['toKubernetes']>;
