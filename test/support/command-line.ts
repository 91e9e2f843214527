import { runProgram } from '../../src/cli/program';

/** What a command did. */
export interface CommandResult {
  code: number;
  /** What was asked for. */
  out: string;
  /** Remarks and complaints. */
  remarks: string;
}

/** Runs a command of the operator's command line, as a process of its own would, with the given environment. */
export async function likeness(
  environment: Readonly<Record<string, string>>,
  ...words: string[]
): Promise<CommandResult> {
  const out: string[] = [];
  const remarks: string[] = [];
  const code = await runProgram(words, {
    environment,
    print: (text) => void out.push(text),
    remark: (text) => void remarks.push(text),
  });
  return { code, out: out.join('\n'), remarks: remarks.join('\n') };
}
