import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rig } from './index.ts';

const AUDIENCE = 'consul';

export interface AuthMethodOptions {
  readonly type?: 'jwt' | 'kubernetes';
  /** For example `60s`, which is the least that Consul takes. @default no limit */
  readonly maxTokenTTL?: string;
}

/** An auth method of the rig's Consul for service accounts of its Kubernetes, and a file with the token of one. */
export interface LoginRig {
  /** For the setting `consul.login`. */
  readonly login: { readonly authMethod: string; readonly bearerTokenFile: string };
  /** Puts a new token of the service account into the file, as the kubelet does. */
  rotate(): Promise<void>;
  /** Accessor of each token that the auth method has made and that has not ended. */
  sessions(): Promise<string[]>;
  /** Deletes these tokens, as an operator does. */
  revoke(accessors: readonly string[]): Promise<void>;
  /** Takes the binding rule away: nobody is given a token any more. */
  unbind(): Promise<void>;
  /** What the file has now. */
  bearer(): Promise<string>;
  close(): Promise<void>;
}

/** With the shipped policy for the cluster of the rig: whoever logs in has the rights that a token of the manual has. */
export async function openLogin(rig: Rig, { type = 'jwt', maxTokenTTL }: AuthMethodOptions = {}): Promise<LoginRig> {
  const { consul, cluster, kubernetes, namespace } = rig;
  const authMethod = `${type}-${cluster}`;
  const name = `consular-${authMethod}`;
  const folder = await mkdtemp(join(tmpdir(), 'consular-login-'));
  const bearerTokenFile = join(folder, 'token');
  const createToken = async (audiences?: readonly string[]): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
    const spec = { expirationSeconds: 3600, ...(audiences ? { audiences } : {}) };
    const { status } = await kubernetes.must('POST', path, { spec });
    return (status as { token: string }).token;
  };
  const rotate = async () => writeFile(bearerTokenFile, await createToken(type === 'jwt' ? [AUDIENCE] : undefined));
  const rules = await readFile(new URL('../../deploy/consul/policy.hcl', import.meta.url), 'utf8');
  await consul.must('PUT', '/acl/policy', {
    Name: name,
    Rules: rules.replaceAll('k8s-dev', `k8s-${cluster}`).replaceAll('consular/dev/', `consular/${cluster}/`),
  });
  await consul.must('PUT', '/acl/role', { Name: name, Policies: [{ Name: name }] });
  await consul.must('PUT', '/acl/auth-method', {
    ...{ Name: authMethod, Type: type, MaxTokenTTL: maxTokenTTL ?? '0s' },
    Config: type === 'jwt' ? await jwtConfig(rig) : await kubernetesConfig(rig, createToken),
  });
  const subject =
    type === 'jwt'
      ? `value.namespace=="${namespace}" and value.name=="default"`
      : `serviceaccount.namespace=="${namespace}" and serviceaccount.name=="default"`;
  const rule = { AuthMethod: authMethod, BindType: 'role', BindName: name, Selector: subject };
  const { ID } = (await consul.must('PUT', '/acl/binding-rule', rule)) as { ID: string };
  await rotate();
  return {
    login: { authMethod, bearerTokenFile },
    rotate,
    async sessions() {
      const tokens = (await consul.must('GET', `/acl/tokens?authmethod=${authMethod}`)) as { AccessorID: string }[];
      return tokens.map(({ AccessorID }) => AccessorID);
    },
    async revoke(accessors) {
      for (const accessor of accessors) await consul.must('DELETE', `/acl/token/${accessor}`);
    },
    unbind: async () => void (await consul.must('DELETE', `/acl/binding-rule/${ID}`)),
    bearer: () => readFile(bearerTokenFile, 'utf8'),
    close: () => rm(folder, { recursive: true }),
  };
}

/** The key that the API server signs with, and the issuer that it names. */
async function jwtConfig({ kubernetes }: Rig): Promise<object> {
  const { issuer } = (await kubernetes.must('GET', '/.well-known/openid-configuration')) as unknown as {
    issuer?: string;
  };
  const { keys } = (await kubernetes.must('GET', '/openid/v1/jwks')) as unknown as { keys?: JsonWebKey[] };
  return {
    JWTValidationPubKeys: (keys ?? []).map((key) =>
      createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
    ),
    BoundIssuer: issuer,
    BoundAudiences: [AUDIENCE],
    ClaimMappings: {
      '/kubernetes.io/namespace': 'namespace',
      '/kubernetes.io/serviceaccount/name': 'name',
    },
  };
}

/** Consul asks the API server, as a service account that may. */
async function kubernetesConfig(
  { kubernetes, namespace, cluster, kubeconfig }: Rig,
  createToken: () => Promise<string>,
): Promise<object> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const accounts = `${cluster}-accounts`;
  await kubernetes.must('POST', `${rbac}/clusterroles`, {
    metadata: { name: accounts },
    rules: [{ apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get'] }],
  });
  for (const role of ['system:auth-delegator', accounts])
    await kubernetes.must('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: `${cluster}-${role.replace(/\W/g, '-')}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace }],
    });
  const { clusters } = JSON.parse(await readFile(kubeconfig, 'utf8')) as {
    clusters: readonly { cluster: { server: string; 'certificate-authority-data': string } }[];
  };
  const { server = '', 'certificate-authority-data': ca = '' } = clusters[0]?.cluster ?? {};
  const CACert = Buffer.from(ca, 'base64').toString('utf8');
  return { Host: server, CACert, ServiceAccountJWT: await createToken() };
}
