const SHOWN = 20;
/** A list of tests that all are quick tells nothing. */
const SLOW_MS = 500;

/** Lists the slowest tests after the others have had their say, so that everybody sees what the time goes to. */
export default class SlowestTests {
  onRunComplete(_contexts, { testResults }) {
    const slowest = testResults
      .flatMap(({ testFilePath, testResults }) =>
        testResults.map(({ fullName, duration }) => ({ file: testFilePath, name: fullName, duration: duration ?? 0 })),
      )
      .filter(({ duration }) => duration >= SLOW_MS)
      .sort((a, b) => b.duration - a.duration)
      .slice(0, SHOWN);
    if (slowest.length === 0) return;
    const lines = slowest.map(({ file, name, duration }) => {
      const seconds = (duration / 1000).toFixed(1).padStart(6);
      return `${seconds} s  ${file.replace(/^.*\/test\//, '')}: ${name}\n`;
    });
    process.stderr.write(`\nThe slowest tests:\n${lines.join('')}`);
  }
}
