import {
  getOperationAST,
  GraphQLError,
  getVariableValues,
  OperationTypeNode,
  type ExecutionArgs,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { DomainError, isServiceUnavailable } from '../core/errors';
import type { PreparedStatements } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { fieldsOfTokens } from '../graphql/client-token-fields';
import { flagsOf, fragmentsOf, treeBytes } from '../graphql/document-parts';
import { NotPlannable, statementKey, type Plan, type PlanRefusal } from './plan-types';
import { PlannedPayload } from './planned-payload';
import { planOperation } from './planner';
import type { ReadSources } from './source';
import { InvalidValue, literal, Statement, type FinishedStatement } from './statement';

/**
 * How a query, or the payload of a mutation that reads rows, was answered: `planned`, or why it was left to the resolvers.
 * - {@link PlanRefusal}: it cannot be planned
 * - `scope`: the viewer may not read, or has a client token whose limits the resolvers apply
 * - `wait`: the wait before the query failed, or a cursor in `after` cannot be read, which is the error of a field
 * - `input`: a variable or an argument is invalid
 * - `erasure`: the owner's data are being erased
 * - `value`: a row has a value that the schema does not allow
 * - `unavailable`: the database is unavailable, which the resolvers report without asking it again
 * - `error`: the statement failed
 */
export type ReadOutcome =
  'planned' | PlanRefusal | 'scope' | 'wait' | 'input' | 'erasure' | 'value' | 'unavailable' | 'error';

export interface PlannedReadsOptions {
  readonly schema: GraphQLSchema;
  readonly sources: ReadSources;
  readonly sql: PreparedStatements;
  /**
   * Returns the SQL condition that the owner's data are being erased.
   * @param owner - SQL of the owner
   */
  readonly isBeingErased: (owner: string) => string;
  /** Called once for each query, and for each mutation whose payload reads rows. */
  readonly onRead: (outcome: ReadOutcome) => void;
  /** Called with an error that is not the client's. The resolvers answer instead. */
  readonly onError: (error: unknown) => void;
}

/** A planned query of a viewer. */
export interface PreparedRead {
  /** Whether its statement reads few rows. */
  readonly isShort: boolean;
  /**
   * Runs its statement.
   * @returns the text of the response, or null if it is left to the resolvers
   * @throws DomainError SERVICE_UNAVAILABLE if the database is unavailable
   */
  readonly answer: () => Promise<string | null>;
}

/** An operation of a document with its plans. */
interface KnownOperation {
  /** Identifies the operation in this process. */
  readonly number: number;
  readonly definition: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** The names of the variables that directives use. */
  readonly flags: readonly string[];
  /** The memory of the document in bytes, which plans and statements keep. */
  readonly bytes: number;
}

/** A plan with its size, or why the operation has no plan. */
type PlanOrRefusal = { readonly plan: Plan } | { readonly refusal: PlanRefusal };

/** Maximum memory for plans, and for statements, in bytes. */
const maxBytes = 10_000_000;
/** The memory of a member of a plan, in bytes. */
const bytesPerMember = 200;
/** The maximum length of the key of a statement that is kept. Longer ones have long variables, which seldom recur. */
const maxKeyLength = 2_000;

/**
 * Answers queries, and mutations after their change, by one SQL statement that makes the text of the response. The text is
 * byte for byte the one of the resolvers. What this class cannot answer, errors included, is left to them.
 */
export class PlannedReads {
  /** Lives as long as the document, which the caller keeps for the next request with the same text. */
  private readonly operations = new WeakMap<OperationDefinitionNode, KnownOperation>();
  private operationCount = 0;
  /** By operation and the values of the flags. */
  private readonly plans = new LRUCache<string, PlanOrRefusal>({
    maxSize: maxBytes,
  });
  /** By plan and what its SQL depends on. */
  private readonly statements = new LRUCache<string, FinishedStatement>({
    maxSize: maxBytes,
  });

  /** Whether all planned root fields are open to client tokens, which the plans do not check. */
  private readonly isOpenToTokens: boolean;

  constructor(private readonly options: PlannedReadsOptions) {
    this.isOpenToTokens = Object.keys(options.sources.roots).every((name) => fieldsOfTokens.has(name));
  }

  /**
   * Plans a valid query.
   * @returns null if it is left to the resolvers, or no query
   */
  prepare(args: ExecutionArgs, viewer: Viewer): PreparedRead | null {
    const operation = this.operationOf(args);
    if (operation?.definition.operation !== OperationTypeNode.QUERY) return null;
    try {
      if (!viewer.scopes.has('read') || !this.isOpenTo(viewer)) throw new Refused('scope');
      const variables = this.variablesOf(operation, args);
      const statement = this.statementOf(operation, variables);
      const parameters = statement.valuesFor({ owner: viewer.owner, scopes: viewer.scopes, variables });
      const answer = (): Promise<string | null> => this.answer(statement, viewer.owner, () => parameters);
      return { isShort: statement.sql.isShort, answer };
    } catch (error) {
      return this.leave(error);
    }
  }

  /**
   * Plans the payload of a valid mutation. Its field checks what the viewer may do and select, before anything is changed.
   * @returns null if it is left to the resolvers, or no mutation
   */
  preparePayload(args: ExecutionArgs, viewer: Viewer): PlannedPayload | null {
    const operation = this.operationOf(args);
    if (operation?.definition.operation !== OperationTypeNode.MUTATION) return null;
    try {
      return this.planPayload(operation, args, viewer);
    } catch (error) {
      // A mutation that reads nothing is no read.
      if (!(error instanceof NotPlannable && error.reason === 'empty')) this.leave(error);
      return null;
    }
  }

  private planPayload(
    operation: KnownOperation,
    args: ExecutionArgs,
    { owner, scopes }: Viewer,
  ): PlannedPayload {
    // Without flags, most mutations are found to read nothing before their variables are coerced.
    if (operation.flags.length === 0) this.planOf(keyOf(operation, {}), operation, {});
    const variables = this.variablesOf(operation, args);
    const statement = this.statementOf(operation, variables);
    return new PlannedPayload((payload) =>
      this.answer(statement, owner, () => statement.valuesFor({ owner, scopes, variables, payload })),
    );
  }

  /** Counts a query that is left to the resolvers because its wait failed or its cursor cannot be read, with the error of its field. */
  leaveFailedWait(args: ExecutionArgs): void {
    if (this.operationOf(args)?.definition.operation === OperationTypeNode.QUERY) this.options.onRead('wait');
  }

  private variablesOf(
    { definition }: KnownOperation,
    { variableValues }: ExecutionArgs,
  ): Readonly<Record<string, unknown>> {
    const { variableDefinitions = [] } = definition;
    const { coerced } = getVariableValues(this.options.schema, variableDefinitions, variableValues ?? {});
    if (!coerced) throw new Refused('input');
    return coerced;
  }

  private async answer(
    statement: FinishedStatement,
    owner: string,
    parameters: () => readonly unknown[],
  ): Promise<string | null> {
    try {
      const text = await this.options.sql.text(statement.sql, parameters(), owner);
      if (text === null) throw new Refused('erasure');
      const answer = statement.fill(text);
      this.options.onRead('planned');
      return answer;
    } catch (error) {
      return this.leave(error);
    }
  }

  /** @throws DomainError SERVICE_UNAVAILABLE if the database is unavailable */
  private leave(error: unknown): null {
    const outcome = outcomeOf(error);
    if (outcome === 'error') this.options.onError(error);
    this.options.onRead(outcome);
    if (outcome === 'unavailable') throw error;
    return null;
  }

  /** Refuses client tokens for some objects or a number of operations only. */
  private isOpenTo({ clientToken }: Viewer): boolean {
    if (!clientToken) return true;
    return this.isOpenToTokens && clientToken.restriction === null && !clientToken.isCounted;
  }

  private statementOf(
    operation: KnownOperation,
    variables: Readonly<Record<string, unknown>>,
  ): FinishedStatement {
    const planKey = keyOf(operation, variables);
    const plan = this.planOf(planKey, operation, variables);
    const key = `${planKey} ${statementKey(plan.uses, variables)}`;
    const known = this.statements.get(key);
    if (known) return known;
    const statement = new Statement(variables);
    const data = plan.textOf(statement);
    const isErased = this.options.isBeingErased(statement.owner);
    const finished = statement.finish(
      `SELECT CASE WHEN ${isErased} THEN NULL ELSE ${literal('{"data":')} || ${data} || '}' END`,
      plan.isShort,
    );
    // It holds values of its parameters and functions of its holes.
    const size = 2 * (finished.sql.text.length + key.length) + 5_000 + operation.bytes;
    if (key.length <= maxKeyLength) this.statements.set(key, finished, { size });
    return finished;
  }

  private planOf(key: string, operation: KnownOperation, variables: Readonly<Record<string, unknown>>): Plan {
    let known = this.plans.get(key);
    if (!known) {
      known = this.plan(operation, variables);
      const bytes = 'plan' in known ? bytesPerMember * known.plan.size + operation.bytes : bytesPerMember;
      this.plans.set(key, known, { size: 2 * key.length + bytes });
    }
    if ('refusal' in known) throw new NotPlannable(known.refusal);
    return known.plan;
  }

  private plan(
    { definition, fragments }: KnownOperation,
    flags: Readonly<Record<string, unknown>>,
  ): PlanOrRefusal {
    const { schema, sources } = this.options;
    try {
      return { plan: planOperation({ schema, sources, operation: definition, fragments, flags }) };
    } catch (error) {
      if (error instanceof NotPlannable) return { refusal: error.reason };
      throw error;
    }
  }

  private operationOf({ document, operationName }: ExecutionArgs): KnownOperation | null {
    const definition = getOperationAST(document, operationName);
    if (!definition) return null;
    const known = this.operations.get(definition);
    if (known) return known;
    this.operationCount += 1;
    const operation = {
      number: this.operationCount,
      definition,
      fragments: fragmentsOf(document),
      flags: flagsOf(document),
      bytes: treeBytes(document),
    };
    this.operations.set(definition, operation);
    return operation;
  }
}

/** Identifies the plan of an operation and the values of its flags. */
function keyOf({ flags, number }: KnownOperation, variables: Readonly<Record<string, unknown>>): string {
  return `${flags.map((name) => String(variables[name])).join()} ${number}`;
}

/** A query that is left to the resolvers. */
class Refused extends Error {
  constructor(readonly reason: 'scope' | 'input' | 'erasure') {
    super(reason);
  }
}

/** Codes of invalid arguments. */
const inputCodes: readonly string[] = ['INVALID_INPUT', 'INVALID_CURSOR'];

function outcomeOf(error: unknown): Exclude<ReadOutcome, 'planned'> {
  if (error instanceof NotPlannable || error instanceof Refused) return error.reason;
  if (error instanceof InvalidValue) return 'value';
  if (isServiceUnavailable(error)) return 'unavailable';
  const isInput = error instanceof DomainError && inputCodes.includes(error.code);
  return isInput || error instanceof GraphQLError ? 'input' : 'error';
}
