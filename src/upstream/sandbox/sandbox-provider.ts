import { PicsartProvider, type PicsartProviderOptions } from '../picsart/picsart-provider';
import { sandboxStyles } from './styles';

/**
 * The sandbox as a provider: Picsart's wire format with the sandbox's styles.
 * @param options - `speed` must be the sandbox's speed
 */
export class SandboxProvider extends PicsartProvider {
  constructor(options: Omit<PicsartProviderOptions, 'name' | 'styles'>) {
    super({ ...options, name: 'sandbox', styles: sandboxStyles });
  }
}
