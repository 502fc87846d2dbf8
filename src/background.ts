/**
 * Work that nobody waits for. Whoever starts it deals with what may go wrong in it; what goes wrong all the same is a mistake
 * in Consular, and ends neither the process nor anything else: it is told.
 */
type Listener = (error: unknown) => void;

const listeners = new Set<Listener>();

/** Starts no work, but lets it go on by itself: this is the one way to wait for no promise (a lint rule sees to it). */
export function inBackground(work: Promise<unknown> | undefined): void {
  work?.catch((error: unknown) => {
    for (const listener of listeners) listener(error);
  });
}

/** Tells of each failure until the function that is returned is called. */
export function onBackgroundFailure(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
