import { findProgram, isExecutable, type Found } from '../debian.ts';

const CHROMIUM = {
  title: 'Chromium',
  names: ['chromium', 'google-chrome'],
  packages: ['chromium', 'fonts-liberation'],
};
const HOW_TO_GET_IT =
  'install it (Debian: apt-get install chromium), or set CHROMIUM to the program of Chromium or Chrome';

/** A browser: CHROMIUM, then the PATH, then Debian's package. Or one line that says why there is none. */
export async function findChromium(environment: NodeJS.ProcessEnv = process.env): Promise<Found> {
  const given = environment.CHROMIUM;
  if (given) {
    if (await isExecutable(given)) return { file: given };
    return { missing: `CHROMIUM is ${given}, which is no program: ${HOW_TO_GET_IT}` };
  }
  const found = await findProgram(CHROMIUM, environment);
  return 'missing' in found ? { missing: `${found.missing}: ${HOW_TO_GET_IT}` } : found;
}
