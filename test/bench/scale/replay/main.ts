/**
 * An API server that replays what the real one said, templated to a cluster of any size; everything about other kinds
 * (Leases, Events, reviews of rights, namespaces) it passes on to the real one. A process of its own, so that neither its
 * CPU nor its event loop is that of what is measured.
 *
 * Environment: REPLAY_RECORDING, REPLAY_PODS, REPLAY_CERT, REPLAY_KEY, REPLAY_TARGET, REPLAY_PORT, REPLAY_CONTROL. On the
 * control port, plain HTTP: POST /flip?pod=N, POST /away?ms=N (nobody answers so long; meanwhile every pod changes). Each
 * answer is how often all objects of a kind were told at the beginning of a watch.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer, request } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Recording } from '../recording.ts';
import { answer } from './answers.ts';
import { Cluster } from './cluster.ts';
import { Watches } from './watches.ts';

const env = (name: string) => process.env[`REPLAY_${name}`] ?? '';
const cert = readFileSync(env('CERT'));
const cluster = new Cluster(JSON.parse(readFileSync(env('RECORDING'), 'utf8')) as Recording, Number(env('PODS')));
const watches = new Watches(cluster);
const sockets = new Set<Duplex>();

const server = createServer({ cert, key: readFileSync(env('KEY')), noDelay: true }, (asked, response) => {
  try {
    if (!answer(asked, response, cluster, watches)) passOn(asked, response);
  } catch (error) {
    // What Consular asks and nobody foresaw has to be seen, not to be answered wrongly.
    process.stdout.write(`${String(error)}\n`);
    response.writeHead(500).end(String(error));
  }
});
server.keepAliveTimeout = 120_000;
server.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
});

function passOn(asked: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = asked;
  const passed = request(new URL(url ?? '/', env('TARGET')), { method, headers, ca: cert }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers);
    response.flushHeaders();
    answered.pipe(response);
  });
  passed.on('error', () => response.destroy());
  response.on('close', () => passed.destroy());
  asked.pipe(passed);
}

async function listen(): Promise<void> {
  server.listen(Number(env('PORT')), '127.0.0.1');
  await once(server, 'listening');
}

async function away(ms: number): Promise<void> {
  server.close();
  for (const socket of sockets) socket.destroy();
  cluster.changeAllPods();
  await sleep(ms);
  await listen();
}

await listen();
createPlainServer((asked, response) => {
  const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://control');
  if (pathname === '/flip') watches.tell(cluster.flip(Number(searchParams.get('pod'))));
  const done = pathname === '/away' ? away(Number(searchParams.get('ms'))) : Promise.resolve();
  done.then(
    () => response.end(String(watches.lists)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
}).listen(Number(env('CONTROL')), '127.0.0.1');
