import { DomainError, notFound, type InputProblem } from './errors';
import { nodeKinds, uuidOf, type InputId } from './ids';

/** Maximum number of problems in one error. */
export const maxProblems = 50;

/**
 * Collects the problems of an input, so that one error names all of them. Checks may be expensive only if they are
 * skipped for inputs that are too long.
 */
export class ProblemCollector {
  private first: DomainError | null = null;
  private readonly problems: InputProblem[] = [];

  get all(): readonly InputProblem[] {
    return this.problems;
  }

  get isEmpty(): boolean {
    return this.first === null;
  }

  /**
   * Runs a check and collects the error that it throws.
   * @returns the result of the check; undefined if it failed
   * @throws any other error than a DomainError with a field
   */
  check<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  /** {@link check} for a check that is asynchronous. */
  async checkLater<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  /** @throws DomainError with the code, field, details and message of the first problem, and all problems */
  throwIfAny(): void {
    const { first, problems } = this;
    if (first === null) return;
    const { code, field, details } = first;
    const message = withCount(first.problems[0]!.message, problems.length - 1);
    throw new DomainError(code, message, { field, details, problems, cause: first.cause });
  }

  /** @throws the error if it is not a DomainError with a field */
  add(error: unknown): void {
    if (!(error instanceof DomainError) || error.problems.length === 0) throw error;
    this.first ??= error;
    this.problems.push(...error.problems.slice(0, maxProblems - this.problems.length));
  }
}

/** Runs all checks and throws one error that names all problems. */
export function checkAll(...checks: (() => void)[]): void {
  const problems = new ProblemCollector();
  for (const check of checks) problems.check(check);
  problems.throwIfAny();
}

/**
 * Checks the input of a change of one object.
 * @param find - reads the object; called only if a check has failed, to complete the problems
 * @param target - the object's id
 * @returns its UUID
 * @throws DomainError with all problems
 */
export async function checkChange(
  find: (id: string) => Promise<unknown>,
  target: InputId,
  ...checks: (() => void)[]
): Promise<string> {
  const problems = new ProblemCollector();
  const id = problems.check(() => uuidOf(target));
  for (const check of checks) problems.check(check);
  if (id !== undefined && !problems.isEmpty && !(await find(id)))
    problems.add(notFound(nodeKinds[target.kind], target.field));
  problems.throwIfAny();
  return id!;
}

/** The message of the first problem with the number of the others. */
export function withCount(message: string, others: number): string {
  if (others < 1) return message;
  return `${message} There ${others === 1 ? 'is 1 other problem' : `are ${others} other problems`}, listed in \`extensions.problems\`.`;
}

/** The path of a field as an array: `input.photoIds[3]` is `['input', 'photoIds', 3]`. */
export function pathOfField(field: string): (string | number)[] {
  return field.split(/[.[]/).map((key) => (/^\d+\]$/.test(key) ? Number(key.slice(0, -1)) : key));
}

/** The inverse of {@link pathOfField}. */
export function fieldOfPath(path: readonly (string | number)[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : index > 0 ? `.${key}` : key))
    .join('');
}
