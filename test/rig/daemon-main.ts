import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { startDaemon } from '../../src/commands/run/run.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import type { Timings } from '../../src/world/context.ts';

/** What a daemon in a process of its own is given, in a file. */
export interface DaemonFile {
  readonly settings: object;
  readonly token: string;
  /** Which no user can set. */
  readonly timings: Timings;
}

/** The daemon as `consular run` runs it, with waits that a test chose. */
async function main(file: string): Promise<number> {
  const { settings, token, timings } = JSON.parse(readFileSync(file, 'utf8')) as DaemonFile;
  const config = parseConfig(JSON.stringify(settings), { CONSUL_HTTP_TOKEN: token });
  const log = createLog({ level: 'info', format: 'json' });
  const stopped = once(process, 'SIGTERM').then(() => undefined);
  const daemon = await startDaemon({ config, log, timings, metrics: createMetrics(), version: 'test' });
  const failed = daemon.started.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => error,
  );
  const error: unknown = await Promise.race([stopped, failed, daemon.broken]);
  log.info('ending', error === undefined ? {} : { error });
  await daemon.stop();
  return error === undefined ? 0 : 1;
}

process.exitCode = await main(process.argv[2] ?? '');
