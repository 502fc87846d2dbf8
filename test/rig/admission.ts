import type { Rig } from './index.ts';
import { until } from './until.ts';

const ROOT = '/apis/admissionregistration.k8s.io/v1';

/** By the resource that is to be looked at: when an object has only addresses of that network, in CEL. */
const CONDITIONS = {
  endpointslices: {
    group: 'discovery.k8s.io',
    has: (prefix: string) =>
      `!has(object.endpoints) || object.endpoints.all(e, e.addresses.all(a, a.startsWith('${prefix}')))`,
  },
  endpoints: {
    group: '',
    has: (prefix: string) =>
      `!has(object.subsets) || object.subsets.all(s, !has(s.addresses) || s.addresses.all(a, a.ip.startsWith('${prefix}')))`,
  },
} as const;

/**
 * Has the API server refuse all slices and v1 Endpoints of the rig's namespace with an address that does not begin like that,
 * as clusters do which keep pods and Services from being called by hand-made endpoints.
 */
export async function allowOnlyAddresses({ kubernetes, namespace }: Rig, prefix: string): Promise<void> {
  for (const [resource, { group, has }] of Object.entries(CONDITIONS)) {
    const name = `${namespace}-${resource}`;
    await kubernetes.must('POST', `${ROOT}/validatingadmissionpolicies`, {
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          resourceRules: [
            { apiGroups: [group], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: [resource] },
          ],
        },
        validations: [{ expression: has(prefix), message: `only ${prefix}* may be called` }],
      },
    });
    await kubernetes.must('POST', `${ROOT}/validatingadmissionpolicybindings`, {
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    });
  }
  await until('the policies to work', async () =>
    (await probe({ kubernetes, namespace })).every((status) => status >= 400),
  );
}

/** Whether objects with another address would be taken. */
async function probe({ kubernetes, namespace }: Pick<Rig, 'kubernetes' | 'namespace'>): Promise<number[]> {
  const slice = { addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.1'] }], ports: [] };
  const endpoints = { subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] };
  const metadata = { name: 'probe' };
  const answers = await Promise.all([
    kubernetes.call('POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?dryRun=All`, {
      ...{ metadata, ...slice },
    }),
    kubernetes.call('POST', `/api/v1/namespaces/${namespace}/endpoints?dryRun=All`, { metadata, ...endpoints }),
  ]);
  return answers.map(({ status }) => status);
}

export async function allowAllAddresses({ kubernetes, namespace }: Rig): Promise<void> {
  for (const resource of Object.keys(CONDITIONS))
    for (const kind of ['validatingadmissionpolicybindings', 'validatingadmissionpolicies'])
      await kubernetes.must('DELETE', `${ROOT}/${kind}/${namespace}-${resource}`);
  await until('the policies to be gone', async () =>
    (await probe({ kubernetes, namespace })).every((status) => status < 400),
  );
}
