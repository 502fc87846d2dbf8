/** A brake that holds nothing back. */
export const NO_BRAKE = { turn: () => Promise.resolve(), tryTake: () => true, giveBack: () => undefined };

/** A brake that holds everything back, until the test lets the first in line go. */
export class HeldBrake {
  readonly line: (() => void)[] = [];
  readonly givenBack: number[] = [];

  turn(): Promise<void> {
    return new Promise((resolve) => this.line.push(resolve));
  }

  tryTake(): boolean {
    return false;
  }

  giveBack(requests = 1): void {
    this.givenBack.push(requests);
  }
}
