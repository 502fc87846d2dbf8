import type { Fault, FaultProxy } from './fault-proxy.ts';

/** What a daemon asks Consul through the proxy, and what becomes of it. */
export class Asked {
  readonly #paths: string[] = [];
  /** Asked what becomes of each request. */
  fault: (path: string) => Fault = () => 'pass';

  constructor(proxy: FaultProxy) {
    proxy.readFault = (path) => {
      this.#paths.push(path);
      return this.fault(path);
    };
  }

  longPolls(name: string): number {
    return this.#about(name).filter(isLongPoll).length;
  }

  reads(name: string): number {
    return this.#about(name).filter((path) => !isLongPoll(path)).length;
  }

  /** Reads that the leader has to confirm. */
  confirmed(name: string): number {
    return this.#about(name).filter((path) => path.includes('consistent')).length;
  }

  /** The next read of that service is answered in time and arrives when it is let go. */
  holdNextRead(name: string): { readonly isHeld: () => boolean; readonly letGo: () => void } {
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let isHeld = false;
    this.fault = (path) => {
      if (isHeld || path !== `/health/service/${name}`) return 'pass';
      isHeld = true;
      return { held };
    };
    return { isHeld: () => isHeld, letGo };
  }

  /** Reads of all services but these and the witness. */
  readsBut(...names: string[]): number {
    const others = [...names, 'consul'].map((name) => `/health/service/${name}`);
    const plain = this.#paths.filter((path) => path.startsWith('/health/service/') && !isLongPoll(path));
    return plain.filter((path) => !others.includes(path.split('?')[0] ?? '')).length;
  }

  /** Each begins with a list of the names that are worth reading. */
  sweeps(): number {
    return this.#paths.filter((path) => path.startsWith('/catalog/services?') && path.includes('ServiceMeta')).length;
  }

  nameLists(): number {
    return this.#paths.filter((path) => path.startsWith('/catalog/services') && !path.includes('filter=')).length;
  }

  followed(names: readonly string[]): string[] {
    return names.filter((name) => this.longPolls(name) > 0);
  }

  #about(name: string): string[] {
    return this.#paths.filter((path) => path.split('?')[0] === `/health/service/${name}`);
  }
}

function isLongPoll(path: string): boolean {
  return /[?&]index=/.test(path);
}
