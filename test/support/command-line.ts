import { runProgram } from '../../src/cli/program';
import { testEngine } from './database';

/** The result of a command. */
export interface CommandResult {
  code: number;
  /** Standard output. */
  out: string;
  /** Standard error. */
  remarks: string;
}

/** Runs a command of the operator's command line in this process with the given environment, and the engine of the run. */
export async function likeness(
  environment: Readonly<Record<string, string>>,
  ...words: string[]
): Promise<CommandResult> {
  const out: string[] = [];
  const remarks: string[] = [];
  const code = await runProgram(words, {
    environment: { DATABASE_ENGINE: testEngine.name, ...environment },
    print: (text) => void out.push(text),
    remark: (text) => void remarks.push(text),
  });
  return { code, out: out.join('\n'), remarks: remarks.join('\n') };
}
