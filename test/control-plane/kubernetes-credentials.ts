import { generateKeyPair, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The secrets that the API server is started with. */
export interface Credentials {
  /** Of the user `admin` in the group system:masters. */
  readonly adminToken: string;
  readonly tokenFile: string;
  /** Signs the tokens of ServiceAccounts. */
  readonly serviceAccountKeyFile: string;
}

// A token, not a client certificate: Node.js cannot sign certificates, and this works with any kube-apiserver.
export async function writeCredentials(folder: string): Promise<Credentials> {
  const adminToken = randomBytes(32).toString('base64url');
  const tokenFile = join(folder, 'tokens.csv');
  const serviceAccountKeyFile = join(folder, 'service-account.key');
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFile(tokenFile, `${adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
  await writeFile(serviceAccountKeyFile, privateKey, { mode: 0o600 });
  return { adminToken, tokenFile, serviceAccountKeyFile };
}

export interface KubeconfigOptions {
  readonly file: string;
  readonly server: string;
  readonly caFile: string;
  readonly token: string;
}

/** Writes a kubeconfig that needs no other file. It is JSON, which is YAML too. */
export async function writeKubeconfig({ file, server, caFile, token }: KubeconfigOptions): Promise<void> {
  const ca = await readFile(caFile);
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': ca.toString('base64') } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
  await writeFile(file, JSON.stringify(kubeconfig, null, 2), { mode: 0o600 });
}
