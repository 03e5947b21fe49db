"""Chat templates of our own, each with the features by which one family of published models' templates stands out."""

TEMPLATES = {
    # A system turn inside the first question; alternation checked; bos and eos around each pair.
    "llama-2": (
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
        "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate') }}{% endif %}"
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
        "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}"
        "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    # Tools and dates that may be given, and are not.
    "llama-3.1": (
        "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
        '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
        '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
        "{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n"
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n"
        '    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = "" %}\n{%- endif %}\n'
        '{{- "<|head|>system<|end|>\\n\\n" }}\n{%- if tools is not none %}\n    {{- "Environment: ipython\\n" }}\n'
        '{%- endif %}\n{{- "Today Date: " + date_string + "\\n\\n" }}\n{{- system_message }}\n{{- "<|eot|>" }}\n'
        "{%- for message in messages %}\n"
        "    {{- '<|head|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim }}\n"
        "    {{- '<|eot|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|head|>assistant<|end|>\\n\\n' }}\n{%- endif %}\n"
    ),
    # A namespace that counts, selectattr, the system turn before the last question.
    "mistral": (
        "{%- if messages[0]['role'] == 'system' -%}{%- set system = messages[0]['content'] -%}"
        "{%- set rest = messages[1:] -%}{%- else -%}{%- set rest = messages -%}{%- endif -%}"
        "{%- set ns = namespace(index=0) -%}"
        '{%- set questions = rest | selectattr("role", "equalto", "user") | list -%}{{- bos_token -}}'
        "{%- for message in rest -%}{%- if message.role == 'user' -%}"
        "{%- if (message.role == 'user') != (ns.index % 2 == 0) -%}{{- raise_exception('order') -}}{%- endif -%}"
        "{%- if loop.last and system is defined -%}"
        "{{- '[INST] ' + system + '\\n\\n' + message.content + '[/INST]' -}}{%- else -%}"
        "{{- '[INST] ' ~ message['content'] ~ '[/INST]' -}}{%- endif -%}{%- else -%}"
        "{{- ' ' + message.content|trim + eos_token -}}{%- endif -%}{%- set ns.index = ns.index + 1 -%}"
        "{%- endfor -%}{{- questions | length -}}"
    ),
    # No system turns; the assistant has another name.
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
        "{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
    ),
    # Blocks on lines of their own, whose blanks and newlines go; eos where no answer is wanted.
    "phi": (
        "{% for message in messages %}\n    {% if message['role'] == 'system' and message['content'] %}\n"
        "{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}\n    {% else %}\n"
        "{{ '<|' + message['role'] + '|>' }}\n{{ message['content'] }}<|end|>\n    {% endif %}\n{% endfor %}\n"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
    # A default system turn, a walk backwards, thoughts cut out of older answers, arguments that are not given.
    "qwen": (
        '{%- if tools %}\n{{- tools | tojson }}\n{%- endif %}\n{%- if messages[0].role == "system" %}\n'
        "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n{%- else %}\n"
        "{{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}\n{%- endif %}\n"
        "{%- set ns = namespace(found=false, last=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n"
        "    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        '    {%- if not ns.found and message.role == "user" and message.content is string'
        " and not(message.content.startswith('<t>')) %}\n"
        "        {%- set ns.found = true %}\n        {%- set ns.last = index %}\n    {%- endif %}\n{%- endfor %}\n"
        '{%- for message in messages %}\n{%- if message.role == "assistant" %}\n'
        "    {%- set content = message.content %}\n    {%- if '</think>' in content %}\n"
        "        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n    {%- endif %}\n"
        "    {{- '<|im_start|>assistant\\n' + content + '<|im_end|>\\n' }}\n{%- elif message.role == 'user' %}\n"
        "    {{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}\n{%- endif %}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n"
        "    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>' }}"
        "{%- endif %}\n    {{- ns.last }}\n{%- endif %}"
    ),
    # One namespace for all; tests of keys that are absent.
    "deepseek": (
        "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
        "{% set ns = namespace(is_first=false, is_tool=false, system_prompt='', is_first_sp=true) %}"
        "{%- for message in messages %}{%- if message['role'] == 'system' %}"
        "{% set ns.system_prompt = ns.system_prompt + message['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}"
        "{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}"
        "{%- set ns.is_tool = false -%}{{'<User>' + message['content']}}{%- endif %}"
        "{%- if message['role'] == 'assistant' and 'tool_calls' in message %}"
        "{{ message['tool_calls'][0]['function']['name'] }}{%- endif %}"
        "{%- if message['role'] == 'assistant' and message['content'] is not none %}"
        "{% set content = message['content'] %}{% if '</think>' in content %}"
        "{% set content = content.split('</think>')[-1] %}{% endif %}{{'<Assistant>' + content + eos_token}}"
        "{%- endif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{'<Assistant><think>\\n'}}"
        "{% endif %}"
    ),
    # Macros with arguments, JSON with its options.
    "command-r": (
        "{%- macro turn(role, text='') -%}<|{{ role | upper }}|>{{ text }}<|END|>{%- endmacro -%}{{ bos_token }}"
        "{{ turn('system', {'a': '<b> & \"c\"', 'ü': [1, none, true]} | tojson(indent=2)) }}"
        "{% for message in messages %}{{ turn(message.role, message | tojson(sort_keys=true)) }}"
        "{{ {'z': 1, 'a': 'é'} | tojson(ensure_ascii=true, separators=(',', ':')) }}{% endfor %}"
        "{{ dict(a=1) | tojson }}{% if add_generation_prompt %}<|CHATBOT|>{% endif %}"
    ),
    # The day; the assistant's words marked, with variables of their own.
    "granite": (
        "{%- set mark = 'outside' -%}Today's Date: {{ strftime_now('%B %d, %Y') }}"
        ". {{ strftime_now('%A %H:%M') }}\n{% for message in messages %}\n{% if message['role'] == 'assistant' %}"
        "{% generation %}\n{%- set mark = 'inside' %}\n{{ message['content'] + eos_token }}{{ mark }}"
        "{% endgeneration %}\n{% else %}{{ '<|role|>' + message['role'] + ' ' + message['content'] }}{{ mark }}\n"
        "{% endif %}\n{% endfor %}\n"
    ),
    # Loops that are left and skipped, recursion, pad and unk.
    "gpt-oss": (
        "{%- macro nested(depth) -%}({% if depth > 0 %}{{ nested(depth - 1) }}{% endif %}){%- endmacro -%}"
        "{%- for message in messages -%}{%- if message.role == 'system' -%}{{ '#' }}{%- continue -%}{%- endif -%}"
        "{{ loop.index }}:{{ message.content }}{{ nested(loop.index0) }}{{ pad_token }}{{ unk_token }}"
        "{{ cls_token }}{%- if loop.index == 3 -%}{%- break -%}{%- endif -%}{%- endfor -%}"
        "{%- for word in 'a b c'.split() if word != 'b' %}{{ word }}{% else %}none{% endfor -%}"
    ),
    # The end of text after the last turn, and the question for an answer in the loop.
    "zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
}
