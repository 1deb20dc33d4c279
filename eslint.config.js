import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['.docs/', 'site/', '**/vendor/', '**/.venv*/', '**/node_modules/', 'tests/clients/'] },
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.audioWorklet } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-implied-eval': 'error',
      'no-restricted-properties': ['error', { property: 'innerHTML' }, { property: 'outerHTML' }],
      'max-lines': ['error', 200],
    },
  },
  { files: ['tests/browser/units/*.js', 'eslint.config.js'], languageOptions: { globals: globals.node } },
];
