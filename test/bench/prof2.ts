import { request } from 'undici';
import { openRunDirectory, startKubernetes } from '../control-plane/index.ts';
import { withConsul } from './bench-consul.ts';
import { say } from './subjects.ts';
import { consularProgram } from './to-consul/programs.ts';
import { layOut } from './scale/layout.ts';
import { untilCounted } from './scale/quiet.ts';
import { record } from './scale/record/index.ts';
import { startReplayServer } from './scale/replay-server.ts';
import { cpuSecondsOf } from './usage.ts';
const pods = Number(process.argv[2] ?? 10000);
const plane = await startKubernetes();
const run = await openRunDirectory('prof');
try {
  const recording = await record(plane);
  const program = await consularProgram(run, plane);
  layOut(pods);
  const replay = await startReplayServer(run, plane, recording, pods);
  await withConsul(async (consul, { pid }) => {
    const subject = await program.start(consul, { port: replay.port });
    await subject.during(untilCounted(consul, pods + 1));
    await subject.stop();
    const f = (n: string, s: string, eq = '!=', or = 'or') => encodeURIComponent(`${n}["k8s-cluster"] ${eq} "bench" ${or} ${s}["managed-by"] ${eq} "consular" ${or} ${s}["k8s-cluster"] ${eq} "bench"`);
    const list = (await (await request(`${consul.address}/v1/catalog/services`)).body.json()) as Record<string, unknown>;
    const sizes: Record<string, string> = {};
    for (const name of Object.keys(list)) {
      const n = ((await (await request(`${consul.address}/v1/catalog/service/${name}`)).body.json()) as unknown[]).length;
      sizes[n] ??= name;
    }
    for (const n of ['1', '10', '100']) {
      const name = sizes[n]!;
      const node = ((await (await request(`${consul.address}/v1/catalog/service/${name}`)).body.json()) as { Node: string }[])[0]!.Node;
      for (const [what, path] of [
        ['health+filter', `/v1/health/service/${name}?filter=${f('Node.Meta', 'Service.Meta')}`],
        ['catalog+filter', `/v1/catalog/service/${name}?filter=${f('NodeMeta', 'ServiceMeta')}`],
        ['catalog+not filter', `/v1/catalog/service/${name}?filter=not%20(${f('NodeMeta', 'ServiceMeta', '==', 'and')})`],
        ['catalog+short', `/v1/catalog/service/${name}?filter=${encodeURIComponent('ServiceMeta["managed-by"] != "consular"')}`],
        ['catalog+ID', `/v1/catalog/service/${name}?filter=${encodeURIComponent('ServiceID == ""')}`],
        ['health+short', `/v1/health/service/${name}?filter=${encodeURIComponent('Service.Meta["managed-by"] != "consular"')}`],
        ['nobody', `/v1/catalog/service/nobody-${name}`],
        ['node-services', `/v1/catalog/node-services/${node}?filter=${encodeURIComponent('ID == ""')}`],
        ['node-services 2', `/v1/catalog/node-services/${node}?filter=${encodeURIComponent('Port == 1')}`],
        ['catalog node', `/v1/catalog/node/${node}?filter=${encodeURIComponent('ID == ""')}`],
      ] as const) {
        const c = await cpuSecondsOf(pid);
        for (let i = 0; i < 1000; i++) await (await request(consul.address + path)).body.dump();
        const d = await cpuSecondsOf(pid);
        say(`${n} ${what}: Consul ${(d - c).toFixed(3)} ms`);
      }
    }
  });
  await replay.stop();
} finally { await run.close(); await plane.stop(); }
process.exit(0);
