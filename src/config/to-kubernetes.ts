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
    enabled: z
      .boolean()
      .default(true)
      .describe('Mirror Consul services with instances outside Kubernetes as Kubernetes Services.'),
    namespaces: z
      .array(name)
      .min(1)
      .default(['default'])
      .describe('Namespaces that get a copy of each mirrored Service.'),
    importNamespaces: z
      .array(name)
      .default([])
      .describe('Namespaces whose Services may take in Consul instances by the annotation consular.dev/import.'),
    services: patterns(name.toLowerCase(), ['*'], []).describe(
      'Consul services to mirror, in upper or lower case. * matches any number of characters.',
    ),
    tagServices: z
      .array(z.strictObject({ service: name.toLowerCase(), tags: z.array(name.min(1)).min(1) }))
      .default([])
      .describe(
        'Additional Services for single tags. {service: pgsql-*, tags: [master]} adds pgsql-main-master to pgsql-main, with its instances that have that tag.',
      ),
    filter: z
      .string()
      .max(2000)
      .default('')
      .describe(
        "Mirror only instances that this expression in Consul's filter language selects, such as Service.Meta.env == prod. It costs Consul one more read of a service at each change of it.",
      ),
    requiredTags: z.array(name).default([]).describe('Mirror only instances with all of these tags.'),
    requiredMeta: z
      .array(text('a key and a value like environment=prod', (entry) => /^[^=]+=/.test(entry)))
      .default([])
      .describe(
        'Mirror only instances with all of this meta, as key=value. * in a value matches any number of characters.',
      ),
    otherClusters: z
      .boolean()
      .default(false)
      .describe('Also mirror instances that the Consular of another Kubernetes cluster registered.'),
    minHealth: z
      .enum(['warning', 'passing'])
      .default('warning')
      .describe('The lowest health with which an instance gets traffic. Critical instances never get traffic.'),
    denyAddresses: z
      .array(text('an address range like 10.0.0.0/8', isAddressRange))
      .default([])
      .describe(
        'Address ranges, such as 10.0.0.0/8, in which no endpoint may be. Always refused: the range of Services, and addresses that no other machine can call.',
      ),
    allowAddresses: z
      .array(text('an address range like 192.0.2.7/32', isAddressRange))
      .default([])
      .describe(
        "Address ranges, such as that of the API server's machine, in which endpoints may be although Consular would refuse them. Addresses that the API server refuses stay refused.",
      ),
    dns: z
      .strictObject({
        servers: z
          .array(text('an address like 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53', isDnsServer))
          .default([])
          .describe('DNS servers that know the host names of instances. Empty: those of the system.'),
        search: z
          .array(text('a domain like example.com', isHostName))
          .default([])
          .describe('Domains in which host names without a dot are looked up.'),
      })
      .prefault({}),
    maxServices: z
      .int()
      .min(0)
      .max(100_000)
      .default(500)
      .describe(
        'How many Consul services are mirrored. Consular reports those beyond the limit, and does not create them.',
      ),
    port: port.default(80).describe('Port of mirrored Services. If most instances are secure, it is 443 instead.'),
    aliasPort: z.boolean().default(true).describe('Add a second port, equal to the one that most instances use.'),
    headless: z
      .array(name.toLowerCase())
      .default([])
      .describe(
        'Names of Consul services whose Services get no ClusterIP. The meta consular-headless=true of instances does the same.',
      ),
    endpoints: z
      .boolean()
      .default(true)
      .describe('Also write v1 Endpoints, for readers that do not know EndpointSlices.'),
    mode: z
      .enum(['service', 'istio'])
      .default('service')
      .describe(
        'istio: also write WorkloadEntries, for subsets in an Istio mesh. The meta consular-mode of its instances overrides this for a service.',
      ),
    istio: z
      .strictObject({
        labels: patterns(name, ['version', 'group', 'zone'], []).describe(
          'Meta keys, and keys of tags such as version=v2, that become labels of a WorkloadEntry.',
        ),
        locality: z
          .string()
          .refine(isLocality, 'at most three parts like {region}/{zone}, with meta keys in braces')
          .default('')
          .describe('Locality of a WorkloadEntry, with meta keys in braces, such as {region}/{zone}. Empty: none.'),
        serviceAccountMeta: z
          .string()
          .max(128)
          .default('')
          .describe(
            'Meta key in which an instance with a sidecar names its service account. Istio then calls it with mTLS. Empty: plain text with all instances.',
          ),
        slices: z
          .boolean()
          .default(true)
          .describe(
            'Write EndpointSlices in addition to WorkloadEntries, for clients outside the mesh. Set it to false in an ambient mesh, which would read both.',
          ),
      })
      .prefault({}),
    removalGrace: duration('60s').describe(
      'How long a Service stays after its Consul service is gone, so that it keeps its ClusterIP over restarts.',
    ),
    removals: onNever.describe(
      'never: no object and no endpoint is removed. An endpoint that would be removed stays, not ready, until removals are on.',
    ),
  })
  .prefault({});
