import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon, type RunningDaemon } from '../../../src/commands/run/run.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { commandLine } from '../../rig/command-line.ts';
import { until } from '../../rig/until.ts';
import { QUIET } from '../log.ts';

/** Nobody listens there. */
const NOWHERE = '127.0.0.1:1';

let folder: string;
let kubeconfig: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-'));
  kubeconfig = await write('kubeconfig', {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'prod' },
    clusters: [{ name: 'prod', cluster: { server: `https://${NOWHERE}` } }],
    users: [{ name: 'prod', user: {} }],
    contexts: [{ name: 'prod', context: { cluster: 'prod', user: 'prod' } }],
  });
});
afterEach(() => rm(folder, { recursive: true }));

async function write(file: string, content: object): Promise<string> {
  const path = join(folder, file);
  await writeFile(path, JSON.stringify(content));
  return path;
}

const settings = { cluster: 'prod', consul: { address: `http://${NOWHERE}` }, http: { address: '127.0.0.1:0' } };

describe('a daemon that reaches neither system', () => {
  let daemon: RunningDaemon;
  beforeEach(async () => {
    const config = parseConfig(JSON.stringify(settings), { KUBECONFIG: kubeconfig });
    daemon = await startDaemon({ config, metrics: createMetrics(), version: 'test', log: QUIET });
  });

  afterEach(() => daemon.stop());

  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${daemon.port}${path}`)).text();

  it('is alive, is not ready, and says what it waits for and why', async () => {
    expect(await ask('/healthz')).toBe('ok\n');
    await until('the reasons', async () => (await ask('/readyz')).includes('Kubernetes pods: watch Pod'));
    expect(await ask('/readyz')).toMatch(
      /^starting\n(.*\n)*.*Kubernetes namespace kube-system: get Namespace kube-system/,
    );
    expect(JSON.parse(await ask('/status'))).toMatchObject({
      ...{ cluster: 'prod', version: 'test', ready: false, toConsul: null, toKubernetes: null },
      waitingFor: expect.arrayContaining([
        expect.stringMatching(/Kubernetes services: watch Service.* \(since \d{4}-.*Z\)$/),
      ]) as unknown,
    });
  });

  it('ends when it is told to, and answers no more', async () => {
    await daemon.stop();
    await expect(ask('/healthz')).rejects.toThrow('fetch failed');
  });
});

describe('the command run', () => {
  it('names the kubeconfig that it cannot read', async () => {
    const config = await write('consular.yaml', settings);
    const missing = join(folder, 'missing');
    const { status, stderr } = await commandLine({ KUBECONFIG: missing })('run', '--config', config);
    expect(status).toBe(1);
    expect(stderr).toContain(`read kubeconfig ${missing}`);
  });

  it('names the address of its status port when that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const taken = other.address();
    if (taken === null || typeof taken === 'string') throw new Error('expected a port');
    const address = `127.0.0.1:${taken.port}`;
    const config = await write('consular.yaml', { ...settings, http: { address } });
    const { status, stderr } = await commandLine({ KUBECONFIG: kubeconfig })('run', '--config', config);
    other.close();
    expect(status).toBe(1);
    expect(stderr).toContain(`listen on ${address} for status requests`);
  });
});

describe('a command that reads once', () => {
  it.each([
    ['plan', ['plan']],
    ['explain', ['explain', 'pod', 'shop/a']],
  ])('says what it could not read in time: %s', async (_, words) => {
    const config = await write('consular.yaml', settings);
    const consular = commandLine({ KUBECONFIG: kubeconfig });
    const { status, stdout, stderr } = await consular(...words, '--config', config, '--timeout', '0.2');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /read both systems: not complete after 0\.2 s: Kubernetes services: watch Service, .* and 2 more: /,
    );
  });

  it.each(['0', '3601', 'soon'])('refuses to wait for %s seconds', async (timeout) => {
    const config = await write('consular.yaml', settings);
    const { status, stderr } = await commandLine()('plan', '--config', config, '--timeout', timeout);
    expect(status).toBe(1);
    expect(stderr).toContain(`--timeout: expected 1 to 3600 seconds, found "${timeout}"`);
  });
});
