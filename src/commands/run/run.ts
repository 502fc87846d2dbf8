import type { Context } from '../../world/context.ts';
import { Daemon, type RunOptions } from './daemon.ts';
import { assertOldName } from './rename.ts';

export interface RunningDaemon {
  /** The port of the status server. */
  readonly port: number;
  /** Resolves when both directions run, which a standby waits for; rejects with what waiting would not mend. */
  readonly started: Promise<void>;
  /** Resolves with what waiting would not mend, when that comes up while the daemon runs: it has to be stopped. */
  readonly broken: Promise<Error>;
  /** Finishes what is on its way, removes nothing. */
  stop(): Promise<void>;
}

/**
 * The daemon. It answers on its status port before anything else, so that a start that waits for Consul or the API
 * server can say so; it writes nothing before it leads and both systems were read completely.
 */
export async function startDaemon(context: Omit<Context, 'signal'>, options: RunOptions = {}): Promise<RunningDaemon> {
  if (options.renameFrom !== undefined) assertOldName(context.config, options.renameFrom);
  const daemon = new Daemon(context, options);
  const port = await daemon.open();
  const started = daemon.run();
  // A caller that awaits `started` hears of the failure; without this, Node.js would end the process for it.
  started.catch(() => undefined);
  return { port, started, broken: daemon.broken, stop: () => daemon.stop() };
}
