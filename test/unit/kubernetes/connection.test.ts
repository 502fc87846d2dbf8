import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { connectKubernetes, findOwnPod, type KubernetesConnection } from '../../../src/kubernetes/connection.ts';

let folder: string;
let home: string | undefined;
const connections: KubernetesConnection[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'connection-'));
  home = process.env.HOME;
});
afterEach(async () => {
  process.env.HOME = home;
  for (const connection of connections.splice(0)) await connection.close();
  await rm(folder, { recursive: true });
});

interface Given {
  readonly name?: string;
  readonly cluster?: object;
  readonly user?: object;
}

/** A kubeconfig with one context, named like its cluster. */
function kubeconfig({ name = 'prod', cluster = {}, user = {} }: Given = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server: `https://${name}.test:6443`, ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  });
}

async function write(file: string, text: string): Promise<string> {
  const path = join(folder, file);
  await writeFile(path, text);
  return path;
}

function connect(path: string, context = ''): KubernetesConnection {
  const connection = connectKubernetes({ kubeconfig: path, context });
  connections.push(connection);
  return connection;
}

const connectTo = async (given: Given) => connect(await write('config', kubeconfig(given)));

describe('the pod that this process runs in', () => {
  it('is none where no service account is mounted', () => {
    expect(findOwnPod({ kubeconfig: '', context: '' }, folder)).toBeUndefined();
  });

  it('is known by its service account, with its namespace where that is told', async () => {
    await write('token', 'abc');
    expect(findOwnPod({ kubeconfig: '', context: '' }, folder)).toEqual({ namespace: '' });
    await write('namespace', 'consular\n');
    expect(findOwnPod({ kubeconfig: '', context: '' }, folder)).toEqual({ namespace: 'consular' });
  });

  it('does not count where a kubeconfig says which cluster is meant', async () => {
    await write('token', 'abc');
    expect(findOwnPod({ kubeconfig: '/a/kubeconfig', context: '' }, folder)).toBeUndefined();
  });
});

describe('the API server', () => {
  it('is that of the current context, without a slash that would double the one of each path', async () => {
    expect((await connectTo({ cluster: { server: 'https://prod.test:6443/' } })).server).toBe('https://prod.test:6443');
  });

  const list = async (...given: Given[]) => {
    const files = given.map((one, i) => write(`config-${i}`, kubeconfig(one)));
    return (await Promise.all(files)).join(delimiter + delimiter);
  };

  it('is that of the current context of the first file in a list, as with kubectl', async () => {
    expect(connect(await list({ name: 'first' }, { name: 'second' })).server).toBe('https://first.test:6443');
  });

  it('is that of the context that was asked for, in whichever file of a list', async () => {
    expect(connect(await list({ name: 'first' }, { name: 'second' }), 'second').server).toBe(
      'https://second.test:6443',
    );
  });

  it('is that of the first file where two files have a cluster of the same name', async () => {
    const files = await list({ name: 'same' }, { name: 'same', cluster: { server: 'https://other.test:6443' } });
    expect(connect(files).server).toBe('https://same.test:6443');
  });

  it('is that of the kubeconfig at home where nobody names a file', async () => {
    await mkdir(join(folder, '.kube'));
    await write('.kube/config', kubeconfig({ name: 'home' }));
    process.env.HOME = folder;
    expect(connect('').server).toBe('https://home.test:6443');
  });
});

describe('a kubeconfig that is of no use', () => {
  it.each([
    ['is missing', undefined, /ENOENT/],
    ['is no YAML', '{', /unexpected end/],
    ['has nothing in it', '', /input is empty/],
    ['has a cluster without a server', kubeconfig({ cluster: { server: undefined } }), /server/],
  ])('is named when it %s', async (_, text, why) => {
    const path = text === undefined ? join(folder, 'config') : await write('config', text);
    const refused = catchError(() => connect(path));
    expect(refused.message).toBe(`read kubeconfig ${path}`);
    expect(String(refused.cause)).toMatch(why);
  });

  it('is named when it is the second of a list', async () => {
    const [good, bad] = [await write('good', kubeconfig()), join(folder, 'bad')];
    expect(catchError(() => connect(good + delimiter + bad)).message).toBe(`read kubeconfig ${bad}`);
  });

  it('is refused without the context that was asked for', async () => {
    const path = await write('config', kubeconfig());
    expect(() => connect(path, 'stage')).toThrow('read kubeconfig: expected a context named "stage", found none');
  });

  it('is refused when its current context names no cluster', async () => {
    const path = await write('config', kubeconfig().replace('"current-context":"prod"', '"current-context":"gone"'));
    expect(() => connect(path)).toThrow(
      'read kubeconfig: expected a current context that names a cluster, found "gone"',
    );
  });
});

describe('credentials', () => {
  it.each<[string, object, Record<string, string>]>([
    ['nothing', {}, {}],
    ['a token', { token: 'secret' }, { Authorization: 'Bearer secret' }],
    ['a name and a password', { username: 'me', password: 'pass' }, { Authorization: 'Basic bWU6cGFzcw==' }],
  ])('of a user with %s', async (_, user, headers) => {
    const connection = await connectTo({ user });
    expect({ ...(await connection.authenticate()).headers }).toEqual(headers);
  });

  it('tell when their certificates end, as soon as they are used, and as they are then', async () => {
    const [ca = '', cert = '', renewed = ''] = rootCertificates;
    const endOf = (pem: string) => new Date(new X509Certificate(pem).validTo);
    const certificate = await write('cert', cert);
    const cluster = { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
    const connection = await connectTo({ cluster, user: { 'client-certificate': certificate } });
    expect([...connection.certificateEnds]).toEqual([]);
    await connection.authenticate();
    const ends = (client: string) => [
      ['kubernetes-ca', endOf(ca)],
      ['kubernetes-client', endOf(client)],
    ];
    expect([...connection.certificateEnds]).toEqual(ends(cert));
    await write('cert', renewed);
    await connection.authenticate(true);
    expect([...connection.certificateEnds]).toEqual(ends(renewed));
  });

  it('come from the program that the kubeconfig names', async () => {
    const status = { token: 'from-a-program', expirationTimestamp: '2999-01-01T00:00:00Z' };
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
    const said = await write('credential', JSON.stringify(credential));
    const exec = { apiVersion: credential.apiVersion, command: 'cat', args: [said], interactiveMode: 'Never' };
    const connection = await connectTo({ user: { exec } });
    expect((await connection.authenticate()).headers).toEqual({ Authorization: 'Bearer from-a-program' });
  });

  it('are kept for a while, and read again when they are asked for fresh', async () => {
    const connection = await connectTo({ user: { token: 'secret' } });
    const first = await connection.authenticate();
    expect(await connection.authenticate()).toBe(first);
    const fresh = await connection.authenticate(true);
    expect(fresh).not.toBe(first);
    expect(fresh.dispatcher).toBe(first.dispatcher);
  });

  it('have new connections once the certificate in its file is another', async () => {
    const certificate = await write('client.crt', 'old');
    const connection = await connectTo({ user: { 'client-certificate': certificate } });
    const first = await connection.authenticate();
    await write('client.crt', 'new');
    expect((await connection.authenticate()).dispatcher).toBe(first.dispatcher);
    expect((await connection.authenticate(true)).dispatcher).not.toBe(first.dispatcher);
  });

  it('name the file that cannot be read any more', async () => {
    const certificate = await write('client.crt', 'old');
    const connection = await connectTo({ user: { 'client-certificate': certificate } });
    await rm(certificate);
    await expect(connection.authenticate()).rejects.toThrow(certificate);
  });
});

function catchError(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('expected an error, found none');
}
