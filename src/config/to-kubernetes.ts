import { isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { isAddressRange, isHostName } from '../address.ts';
import { duration, name, onNever, patterns, port, text } from './values.ts';

/** An IP address, perhaps with a port; IPv6 is in brackets then. */
function isDnsServer(text: string): boolean {
  const [, bracketed, plain, port = '53'] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return isIP(text) !== 0 || ((isIPv6(bracketed ?? '') || isIPv4(plain ?? '')) && Number(port) <= 65_535);
}

/** region/zone/subzone, each with placeholders like `{zone}`. */
function isLocality(text: string): boolean {
  return text.length <= 200 && /^(([A-Za-z0-9._-]|\{[A-Za-z0-9_-]+\})+(\/(?!$)|$)){0,3}$/.test(text);
}

/** Settings of what comes to Kubernetes. */
export const toKubernetes = z
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
    filter: z
      .string()
      .max(2000)
      .default('')
      .describe(
        "Only instances that this expression in Consul's filter language selects are mirrored, like Service.Meta.env == prod; costs Consul one more read of a service at each change of it.",
      ),
    requiredTags: z.array(name).default([]).describe('Only instances with all of these tags are mirrored.'),
    requiredMeta: z
      .array(text('a key and a value like environment=prod', (entry) => /^[^=]+=/.test(entry)))
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
      .array(text('an address range like 10.0.0.0/8', isAddressRange))
      .default([])
      .describe(
        'Address ranges that no endpoint may be in, like 10.0.0.0/8; those of Services, and what no other machine can call, never may.',
      ),
    allowAddresses: z
      .array(text('an address range like 192.0.2.7/32', isAddressRange))
      .default([])
      .describe(
        'Address ranges that endpoints may be in although Consular would refuse them, like the machine of the API server; not those that the API server refuses.',
      ),
    dns: z
      .strictObject({
        servers: z
          .array(text('an address like 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53', isDnsServer))
          .default([])
          .describe('DNS servers that know the host names of instances; none: those of the system.'),
        search: z
          .array(text('a domain like example.com', isHostName))
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
      .describe('Names of Consul services whose Services get no ClusterIP; meta consular-headless=true says the same.'),
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
    removals: onNever.describe(
      'never: no object and no endpoint is removed; an endpoint that would be stays and is not ready, until removals are on.',
    ),
  })
  .prefault({});
