/** The API server answers for another Kubernetes cluster than at the start. */
export class OtherClusterError extends Error {
  constructor(namespace: string, expected: string, found: string) {
    super(
      `read Namespace ${namespace}: expected the Kubernetes cluster of the start, with uid ${expected}, found another, ` +
        `with uid ${found}: nothing of it is taken for what was there. Does the kubeconfig or its address lead to the ` +
        'wrong cluster by now? If the cluster was built anew, and the old one is gone for good, "consular run ' +
        '--take-over" adopts what it left',
    );
    this.name = 'OtherClusterError';
  }
}

/**
 * Whether the API server still answers for the cluster of the start, which the uid of one namespace tells, by default kube-system:
 *
 * | the uid                            | then                                                              |
 * |------------------------------------|-------------------------------------------------------------------|
 * | of the start is not known yet      | there is nothing to compare                                       |
 * | is that of the start               | it is ours                                                        |
 * | is another                         | an error, from then on whatever is asked, and `isOther` resolves  |
 * | cannot be read                     | an error: whoever has to know asks again                          |
 */
export class ClusterCheck {
  readonly #readUid: () => Promise<string>;
  readonly #namespace: string;
  #uid: string | undefined;
  /** A read on its way; never rejects. */
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;
  #error: OtherClusterError | undefined;
  /** Resolves once another cluster has answered. */
  readonly isOther: Promise<OtherClusterError>;
  #resolveOther: (error: OtherClusterError) => void = () => undefined;

  /** @param namespace whose uid that is, for messages */
  constructor(readUid: () => Promise<string>, namespace: string) {
    this.#readUid = readUid;
    this.#namespace = namespace;
    this.isOther = new Promise((resolve) => (this.#resolveOther = resolve));
  }

  /** The uid that counts from now on. */
  async begin(): Promise<string> {
    return (this.#uid = await this.#readUid());
  }

  /**
   * Whatever the API server answered before this call was of our cluster. Whoever asks at the same time shares a read; one
   * that is on its way already was asked for too early.
   * @throws OtherClusterError; KubernetesError or Error when the uid cannot be read
   */
  check(): Promise<void> {
    this.#next ??= this.#running.then(() => this.#begin());
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const read = this.#compare();
    this.#running = read.catch(() => undefined);
    return read;
  }

  async #compare(): Promise<void> {
    if (this.#error) throw this.#error;
    const expected = this.#uid;
    if (expected === undefined) return;
    const found = await this.#readUid();
    if (found === expected) return;
    this.#error = new OtherClusterError(this.#namespace, expected, found);
    this.#resolveOther(this.#error);
    throw this.#error;
  }
}
