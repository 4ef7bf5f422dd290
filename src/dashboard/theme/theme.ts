import { Button, createTheme } from '@mantine/core'

/** What the library's parts are by default here; their colours stand in tokens.css. */
export const theme = createTheme({
  respectReducedMotion: true,
  components: {
    Button: Button.extend({
      defaultProps: { size: 'xs', radius: 6 },
      vars: (_theme, { size }) => ({
        root: {
          '--button-height': size === 'sm' ? '34px' : '30px',
          '--button-padding-x': '12px',
          '--button-fz': size === 'sm' ? '13.5px' : '13px',
        },
      }),
    }),
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray', size: 28, radius: 6 } },
    TextInput: { defaultProps: { size: 'sm', radius: 6 } },
    Textarea: { defaultProps: { size: 'sm', radius: 6 } },
    NumberInput: { defaultProps: { size: 'sm', radius: 6 } },
    PasswordInput: { defaultProps: { size: 'sm', radius: 6 } },
    NativeSelect: { defaultProps: { size: 'sm', radius: 6 } },
    TagsInput: { defaultProps: { size: 'sm', radius: 6 } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: false, transitionProps: { duration: 80 } } },
    // Locking the page's scroll adds a style tag, which the content security policy refuses.
    Modal: {
      defaultProps: { lockScroll: false, radius: 12, centered: true, transitionProps: { duration: 100 } },
    },
    Menu: { defaultProps: { shadow: 'md', radius: 8, transitionProps: { duration: 80 } } },
    Switch: { defaultProps: { withThumbIndicator: false } },
    SegmentedControl: { defaultProps: { withItemsBorders: false } },
    Skeleton: { defaultProps: { radius: 4 } },
  },
})
