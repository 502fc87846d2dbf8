import type { ServiceProblem } from '../registration/rejection.ts';

export interface ToldProblem extends ServiceProblem {
  /** Whether an instance of the pod stays as it is for that. */
  readonly isHeld: boolean;
}

interface Found {
  /** As the pod told it that told it first: the words do not change while any pod tells the same. */
  readonly problem: ToldProblem;
  /** The pods that tell it, and whether an instance of each stays. */
  readonly pods: Map<string, boolean>;
}

/** What Services ask for and do not get, as their pods tell it: the same of many pods is one problem. */
export class ServiceProblems {
  /** By Service, then by what it is about. */
  readonly #found = new Map<string, Map<string, Found>>();
  readonly #told = new Map<string, readonly ToldProblem[]>();

  /** What the pod tells from now on, and nothing else. @returns the Services that it tells of, or told of until now */
  note(podKey: string, problems: readonly ToldProblem[]): Set<string> {
    const before = this.#told.get(podKey) ?? [];
    for (const problem of problems) this.#add(podKey, problem);
    for (const { service, about } of before)
      if (!problems.some((problem) => problem.service === service && problem.about === about))
        this.#drop(podKey, service, about);
    if (problems.length > 0) this.#told.set(podKey, problems);
    else this.#told.delete(podKey);
    return new Set([...before, ...problems].map(({ service }) => service));
  }

  of(service: string): ToldProblem[] {
    return [...(this.#found.get(service)?.values() ?? [])].map(({ problem, pods }) => {
      return { ...problem, isHeld: [...pods.values()].some((isHeld) => isHeld) };
    });
  }

  #add(podKey: string, problem: ToldProblem): void {
    const ofService = this.#found.get(problem.service) ?? new Map<string, Found>();
    this.#found.set(problem.service, ofService);
    const found = ofService.get(problem.about);
    if (found) found.pods.set(podKey, problem.isHeld);
    else ofService.set(problem.about, { problem, pods: new Map([[podKey, problem.isHeld]]) });
  }

  #drop(podKey: string, service: string, about: string): void {
    const ofService = this.#found.get(service);
    const found = ofService?.get(about);
    found?.pods.delete(podKey);
    if (found?.pods.size === 0) ofService?.delete(about);
    if (ofService?.size === 0) this.#found.delete(service);
  }
}
