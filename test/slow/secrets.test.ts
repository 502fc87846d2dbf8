import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../control-plane/ports.ts';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { BUNDLE, bundle } from '../rig/bundle.ts';
import { openRig, nextPodIP, until, type Rig } from '../rig/index.ts';

/** The daemon as a user runs it, with all of its log, while much goes wrong around its token. */

let rig: Rig;
let run: RunDirectory;
let daemon: ChildProcess | undefined;

beforeAll(async () => {
  await bundle();
  [rig, run] = await Promise.all([openRig({ acl: true }), openRunDirectory('secrets')]);
}, 120_000);
afterAll(async () => {
  daemon?.kill('SIGKILL');
  await run.close();
  await rig.close();
}, 30_000);

it.each(['a file', 'the environment'])(
  'the token out of %s is in no log, error, metric, status or argument',
  async (where) => {
    const { kubernetes, consul, namespace, cluster } = rig;
    const nameOf = (ending: string) => `${cluster}-${ending}`.slice(-40).replace(/^-+/, '');
    const createToken = async (Rules: string) => {
      const Name = `secrets-${Math.random().toString(36).slice(2)}`;
      const { ID } = (await consul.must('PUT', '/acl/policy', { Name, Rules })) as { ID: string };
      const token = await consul.must('PUT', '/acl/token', { Policies: [{ ID }] });
      return token as { SecretID: string; AccessorID: string };
    };
    // Too little: services may not be written, so that Consul refuses things all the time.
    const little = await createToken(
      'node_prefix "" { policy = "write" } service_prefix "" { policy = "read" } service "consular" { policy = "write" } agent_prefix "" { policy = "read" } key_prefix "consular/" { policy = "write" }',
    );
    const wrong = '11111111-2222-4333-8444-555555555555';
    const tokenFile = join(run.path, 'token');
    await writeFile(tokenFile, little.SecretID);
    const port = await freePort();
    const config = join(run.path, 'consular.json');
    const settings = {
      cluster: where === 'a file' ? nameOf('file') : nameOf('env'),
      besides: where === 'a file' ? [] : [nameOf('file')],
      consul: where === 'a file' ? { tokenFile } : {},
      toConsul: { namespaces: { include: [namespace] } },
      toKubernetes: { namespaces: [namespace] },
      http: { address: `127.0.0.1:${port}` },
      log: { level: 'debug' },
    };
    await writeFile(config, JSON.stringify(settings));
    await kubernetes.createPod(namespace, `secret-${where === 'a file' ? 1 : 2}`, {
      ip: nextPodIP(),
      annotations: { 'consular.dev/service-name': 'orders' },
    });
    const env = {
      PATH: process.env.PATH,
      KUBECONFIG: rig.kubeconfig,
      CONSUL_HTTP_ADDR: rig.consulServer.address,
      ...(where === 'a file' ? {} : { CONSUL_HTTP_TOKEN: little.SecretID }),
    };
    const child = spawn(process.execPath, [BUNDLE, 'run', '--config', config], { env });
    daemon = child;
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await until('a refusal', () => Promise.resolve(/Permission denied|403/.test(log)));
    const answers: string[] = [];
    const ask = async () => {
      for (const path of ['status', 'metrics', 'readyz', 'healthz'])
        answers.push(await (await fetch(`http://127.0.0.1:${port}/${path}`)).text());
    };
    await ask();
    // A token that Consul does not know, then none at all; what it had is revoked.
    if (where === 'a file') {
      await writeFile(tokenFile, wrong);
      await until('a token that is not known', () => Promise.resolve(log.includes('ACL not found')));
      await writeFile(tokenFile, '');
      await until('an empty file', () => Promise.resolve(log.includes('found an empty file')));
    } else {
      await consul.must('DELETE', `/acl/token/${little.AccessorID}`);
      await until('a token that is not known', () => Promise.resolve(log.includes('ACL not found')));
    }
    await ask();
    const args = await readFile(`/proc/${String(child.pid)}/cmdline`, 'utf8');
    child.kill('SIGTERM');
    await once(child, 'exit');
    const events = await kubernetes.list(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    const all = [log, ...answers, args, JSON.stringify(events)].join('\n');
    expect(log.length).toBeGreaterThan(1000);
    for (const secret of [little.SecretID, wrong]) expect(all.split(secret)).toHaveLength(1);
  },
  120_000,
);
