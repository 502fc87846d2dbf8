import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePlan } from '../../src/commands/plan.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import {
  findConsul,
  openRunDirectory,
  startProcess,
  waitUntilReady,
  type RunDirectory,
} from '../control-plane/index.ts';
import { freePorts } from '../control-plane/ports.ts';
import { openRig, type Rig } from '../rig/index.ts';

/** A Consul that speaks TLS only and asks for a client certificate; its certificates are made by Consul itself. */
describe('a Consul behind TLS', () => {
  let rig: Rig;
  let run: RunDirectory;
  let port = 0;

  beforeAll(async () => {
    rig = await openRig();
    run = await openRunDirectory('tls');
    const consul = await findConsul();
    const tls = (...args: string[]) =>
      expect(
        spawnSync(consul.file, [...consul.prefix, 'tls', ...args], { cwd: run.path, encoding: 'utf8' }),
      ).toMatchObject({ status: 0 });
    tls('ca', 'create');
    tls('cert', 'create', '-server', '-dc', 'dc1');
    tls('cert', 'create', '-client', '-dc', 'dc1');
    const [https = 0, serf = 0, rpc = 0] = await freePorts(3);
    port = https;
    const config = join(run.path, 'consul.json');
    await writeFile(
      config,
      JSON.stringify({
        bind_addr: '127.0.0.1',
        ports: { http: -1, https, serf_lan: serf, server: rpc, serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
        disable_update_check: true,
        tls: {
          defaults: {
            ca_file: file('consul-agent-ca.pem'),
            cert_file: file('dc1-server-consul-0.pem'),
            key_file: file('dc1-server-consul-0-key.pem'),
            verify_incoming: true,
          },
        },
      }),
    );
    const agent = await startProcess({
      name: 'consul',
      program: consul,
      arguments: ['agent', '-dev', `-config-file=${config}`],
      run,
    });
    await waitUntilReady(agent, () => Promise.resolve(agent.lastLines().includes('Synced node info')));
  });
  afterAll(async () => {
    await run.close();
    await rig.close();
  });

  const file = (name: string) => join(run.path, name);
  const certificates = () => ({
    CONSUL_CACERT: file('consul-agent-ca.pem'),
    CONSUL_CLIENT_CERT: file('dc1-client-consul-0.pem'),
    CONSUL_CLIENT_KEY: file('dc1-client-consul-0-key.pem'),
  });

  function plan(environment: Record<string, string>, consul: object = {}): ReturnType<typeof makePlan> {
    const settings = {
      cluster: rig.cluster,
      toConsul: { namespaces: { include: [rig.namespace] } },
      toKubernetes: { namespaces: [rig.namespace] },
      consul,
    };
    const config = parseConfig(JSON.stringify(settings), {
      KUBECONFIG: rig.kubeconfig,
      CONSUL_HTTP_ADDR: `https://localhost:${port}`,
      ...environment,
    });
    const log = createLog({ level: 'error', format: 'text' });
    return makePlan({ config, log, metrics: createMetrics(), version: 'test' }, 3000);
  }

  it('is read with its CA and a client certificate, from the variables of the consul command', async () => {
    await expect(plan(certificates())).resolves.toMatchObject({ changes: [] });
  });

  it('is read under another name when that is the one in its certificate', async () => {
    await expect(plan(certificates(), { serverName: 'server.dc1.consul' })).resolves.toMatchObject({ changes: [] });
  });

  it.each([
    ['an unknown CA', ['CONSUL_CACERT']],
    ['no client certificate', ['CONSUL_CLIENT_CERT', 'CONSUL_CLIENT_KEY']],
  ])('is not read with %s', async (_, without) => {
    const environment = Object.fromEntries(
      Object.entries(certificates()).filter(([variable]) => !without.includes(variable)),
    );
    await expect(plan(environment)).rejects.toThrow(
      /read both systems: not complete after 3 s: Consul .*no usable answer from Consul/,
    );
  });

  it('is not read when the name in its certificate is another', async () => {
    await expect(plan(certificates(), { serverName: 'server.dc2.consul' })).rejects.toThrow(
      /Hostname\/IP does not match certificate's altnames/,
    );
  });
});
