// Nobody is signed in: this device keeps no roster.
import { forget } from './keeping.js';
forget();
