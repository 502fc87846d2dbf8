import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { startConsul, startControlPlane, type ControlPlane, type KubernetesPlane } from '../control-plane/index.ts';

const LIMIT = 120_000;
const BUILD_LIMIT = 30 * 60_000;

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + LIMIT;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(100);
  }
  throw new Error(`Waited in vain for ${what}`);
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { items?: unknown[]; status?: Record<string, unknown> };
}

async function callApi(plane: KubernetesPlane, path: string, body?: object, token = plane.adminToken): Promise<Answer> {
  const dispatcher = new Agent({ connect: { ca: await readFile(plane.caFile) } });
  try {
    const response = await request(`${plane.server}${path}`, {
      dispatcher,
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.statusCode, body: (await response.body.json()) as Answer['body'] };
  } finally {
    await dispatcher.close();
  }
}

const DEPLOYMENT = {
  metadata: { name: 'web' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  },
};

describe('the control plane', () => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startControlPlane();
  }, BUILD_LIMIT);
  afterAll(() => plane.stop(), LIMIT);

  it('has a Kubernetes that knows its version', async () => {
    const { status, body } = await callApi(plane.kubernetes, '/version');
    expect(status).toBe(200);
    expect(body.gitVersion).toMatch(/^v1\.\d+\.\d+/);
  });

  it('has a Consul with a leader, itself in the catalog, and its UI', async () => {
    const members = await fetch(`${plane.consul.address}/v1/catalog/service/consul`);
    expect(await members.json()).toHaveLength(1);
    const page = await fetch(`${plane.consul.address}/ui/`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('<title>Consul');
  });

  it(
    'makes the pods of a Deployment',
    async () => {
      const created = await callApi(plane.kubernetes, '/apis/apps/v1/namespaces/default/deployments', DEPLOYMENT);
      expect(created.status).toBe(201);
      const pods = await until('three pods', async () => {
        const { body } = await callApi(plane.kubernetes, '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb');
        return body.items?.length === 3 ? body.items : undefined;
      });
      expect(pods).toHaveLength(3);
    },
    LIMIT,
  );

  it('gives a ServiceAccount a token that says who it is', async () => {
    const path = '/api/v1/namespaces/default/serviceaccounts/default/token';
    const issued = await callApi(plane.kubernetes, path, { spec: { expirationSeconds: 600 } });
    expect(issued.status).toBe(201);
    const token = issued.body.status?.token as string;
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const whoAmI = await callApi(plane.kubernetes, '/apis/authentication.k8s.io/v1/selfsubjectreviews', review, token);
    expect(whoAmI.body.status).toMatchObject({ userInfo: { username: 'system:serviceaccount:default:default' } });
    expect((await callApi(plane.kubernetes, '/api/v1/pods', undefined, token)).status).toBe(403);
  });

  it(
    'keeps its objects when the API server is killed and started again',
    async () => {
      const config = { metadata: { name: 'kept' }, data: { key: 'value' } };
      await callApi(plane.kubernetes, '/api/v1/namespaces/default/configmaps', config);
      await plane.kubernetes.restartApiServer();
      const kept = await callApi(plane.kubernetes, '/api/v1/namespaces/default/configmaps/kept');
      expect(kept.body).toMatchObject({ data: { key: 'value' } });
    },
    LIMIT,
  );
});

describe('Consul', () => {
  it(
    'denies by default under access control, and obeys its management token',
    async () => {
      const consul = await startConsul({ acl: true });
      try {
        const url = `${consul.address}/v1/agent/self`;
        expect((await fetch(url)).status).toBe(403);
        const answer = await fetch(url, { headers: { 'x-consul-token': consul.managementToken ?? '' } });
        expect(answer.status).toBe(200);
      } finally {
        await consul.stop();
      }
    },
    LIMIT,
  );

  it(
    'comes back with its data when it is persistent, in a cluster too',
    async () => {
      const consul = await startConsul({ servers: 3 });
      try {
        await fetch(`${consul.address}/v1/kv/kept`, { method: 'PUT', body: 'value' });
        await consul.kill();
        await consul.start();
        const kept = await fetch(`${consul.address}/v1/kv/kept?raw`);
        expect(await kept.text()).toBe('value');
      } finally {
        await consul.stop();
      }
    },
    LIMIT,
  );
});

describe('npm run control-plane', () => {
  let temporary: string;

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'consular-test-'));
  });
  afterAll(() => rm(temporary, { recursive: true, force: true }));

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'leaves no process and no file behind after %s',
    async (signal) => {
      const main = await startMain(temporary);
      const pids = await runningIn(temporary);
      expect(pids.length).toBeGreaterThanOrEqual(4);
      const exited = once(main, 'exit');
      main.kill(signal);
      expect(await exited).toEqual(signal === 'SIGINT' ? [0, null] : [null, signal]);
      await until('no run directory', async () => (await runDirectories(temporary)).length === 0 || undefined);
      for (const pid of pids) await until(`the end of process ${pid}`, async () => (await isGone(pid)) || undefined);
    },
    BUILD_LIMIT,
  );
});

/** Starts the command in a process of its own; returns when it says that it is ready. */
async function startMain(temporary: string): Promise<ChildProcess> {
  const main = spawn(process.execPath, ['--import', 'tsx', 'test/control-plane/main.ts'], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(main.stdout)) {
    if (line.includes('Ctrl-C')) return main;
  }
  throw new Error('The command ended before it was ready');
}

// Other tools keep things in the temporary folder too.
async function runDirectories(temporary: string): Promise<string[]> {
  return (await readdir(temporary)).filter((name) => name.startsWith('consular-')).map((name) => join(temporary, name));
}

/** The processes whose run directories are in the folder. */
async function runningIn(temporary: string): Promise<number[]> {
  const pids: number[] = [];
  for (const directory of await runDirectories(temporary)) {
    const files = (await readdir(directory)).filter((file) => file.endsWith('.pid'));
    for (const file of files) pids.push(Number(await readFile(join(directory, file), 'utf8')));
  }
  return pids;
}

/** Whether a process has ended; one that only nobody has asked for its exit code has. */
async function isGone(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  return / [ZX] /.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
}
