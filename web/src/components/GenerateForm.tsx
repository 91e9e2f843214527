import { useId, useState } from 'react';
import { useClient } from 'urql';
import { useConnection } from '../api/connection';
import { plural } from '../api/formats';
import { generationPageSize } from '../api/jobs';
import { type Order } from '../api/orders';
import { useSession } from '../api/session';
import { GenerationsDocument, type GenerateAvatarsInput } from '../graphql/operations';
import { useOrder } from '../hooks/useOrder';
import { CostNote } from './CostNote';
import { CountStepper } from './CountStepper';
import { OrderButton } from './OrderButton';
import { ProblemNotice } from './ProblemNotice';
import { StylePicker } from './StylePicker';

const maxPerStyle = 8;

export interface GenerateFormProps {
  readonly modelId: string;
  readonly onOrdered: () => void;
}

/** Asks for avatars of a model in several styles. */
export function GenerateForm({ modelId, onOrdered }: GenerateFormProps): React.JSX.Element {
  const client = useClient();
  const { likeness } = useConnection();
  const { styles, capabilities } = useSession();
  const [selected, setSelected] = useState<ReadonlySet<string>>(
    () => new Set(styles.filter(({ isDefault }) => isDefault).map(({ key }) => key)),
  );
  const [count, setCount] = useState(2);
  const [prompt, setPrompt] = useState('');
  const promptId = useId();
  const { maxPrompts, maxLength, maxAvatars } = capabilities.prompts;
  const order = useOrder(
    `generate.${modelId}`,
    ({ input, idempotencyKey }: Order<GenerateAvatarsInput>) =>
      likeness.generate({ ...input, idempotencyKey }),
    () => {
      setPrompt('');
      onOrdered();
      const firstPage = { modelId, first: generationPageSize, after: null };
      void client.query(GenerationsDocument, firstPage, { requestPolicy: 'network-only' }).toPromise();
    },
  );
  const toggle = (key: string): void => {
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    setSelected(next);
  };
  const total = selected.size * count;
  const reason = reasonToWait(selected.size, total, maxPrompts, maxAvatars);
  const text = prompt.trim();
  const input: GenerateAvatarsInput | null =
    reason === null
      ? {
          modelId,
          prompts: [...selected].map((style) => ({ style, count, ...(text !== '' && { prompt: text }) })),
        }
      : null;
  return (
    <section className="card stack" aria-labelledby="generate-title">
      <h2 id="generate-title">New avatars</h2>
      <StylePicker selected={selected} onToggle={toggle} />
      <div className="stack small">
        <label htmlFor={promptId}>What should be in the picture? (optional)</label>
        <input
          id={promptId}
          type="text"
          dir="auto"
          value={prompt}
          maxLength={maxLength}
          placeholder="At the sea, in a red coat"
          autoComplete="off"
          onChange={(event) => setPrompt(event.target.value)}
        />
      </div>
      <CostNote input={input && { generateAvatars: input }} />
      {order.problem && <ProblemNotice problem={order.problem} />}
      <div className="row between">
        <CountStepper label="Pictures per style" value={count} max={maxPerStyle} onChange={setCount} />
        <div className="row">
          {reason !== null && <p className="muted">{reason}</p>}
          <OrderButton
            className="primary large"
            isReady={input !== null}
            isSending={order.isSending}
            onOrder={() => input && order.submit(input)}
          >
            Make {plural(total, 'avatar')}
          </OrderButton>
        </div>
      </div>
    </section>
  );
}

function reasonToWait(styles: number, total: number, maxStyles: number, maxTotal: number): string | null {
  if (styles === 0) return 'Choose at least one style.';
  if (styles > maxStyles) return `Choose at most ${maxStyles} styles.`;
  return total > maxTotal ? `At most ${maxTotal} avatars can be made at once.` : null;
}
