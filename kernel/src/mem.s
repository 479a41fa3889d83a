// memcpy, memmove, memset, memcmp and bcmp of images.
//
// A string instruction counts once an iteration, and emulators translate its 64-bit form well. Short blocks, which are
// most, take overlapping accesses and no loop: everything is read before anything is written, so they serve memmove too.
// Only integer registers are used.

.macro begin name
.pushsection .text.\name, "ax", @progbits
.global \name
.type \name, @function
.balign 16
\name:
.endm

.macro end name
.size \name, . - \name
.popsection
.endm

begin memcpy
    mov rax, rdi
    cmp rdx, 16
    jbe copy_short
    cmp rdx, 32
    jbe copy_medium
copy_forward:
    // Whole words first, then the last eight bytes, which were read before the words were written.
    mov r8, [rsi + rdx - 8]
    lea r9, [rdi + rdx - 8]
    lea rcx, [rdx - 1]
    shr rcx, 3
    rep movsq
    mov [r9], r8
    ret
copy_medium:
    mov r8, [rsi]
    mov r9, [rsi + 8]
    mov r10, [rsi + rdx - 16]
    mov r11, [rsi + rdx - 8]
    mov [rdi], r8
    mov [rdi + 8], r9
    mov [rdi + rdx - 16], r10
    mov [rdi + rdx - 8], r11
    ret
copy_short:
    cmp edx, 8
    jb 2f
    mov r8, [rsi]
    mov r9, [rsi + rdx - 8]
    mov [rdi], r8
    mov [rdi + rdx - 8], r9
    ret
2:  cmp edx, 4
    jb 3f
    mov r8d, [rsi]
    mov r9d, [rsi + rdx - 4]
    mov [rdi], r8d
    mov [rdi + rdx - 4], r9d
    ret
3:  test edx, edx
    jz 4f
    // First, middle and last byte: all there are in one, two or three.
    mov ecx, edx
    shr ecx, 1
    movzx r8d, byte ptr [rsi]
    movzx r9d, byte ptr [rsi + rcx]
    movzx r10d, byte ptr [rsi + rdx - 1]
    mov [rdi], r8b
    mov [rdi + rcx], r9b
    mov [rdi + rdx - 1], r10b
4:  ret
end memcpy

begin memmove
    mov rax, rdi
    cmp rdx, 16
    jbe copy_short
    cmp rdx, 32
    jbe copy_medium
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jae copy_forward        // the destination does not start inside the source
    // Backwards in words; the first eight bytes were read before the words were written.
    mov r8, [rsi]
2:  mov r9, [rsi + rdx - 8]
    mov [rdi + rdx - 8], r9
    sub rdx, 8
    cmp rdx, 8
    ja 2b
    mov [rdi], r8
    ret
end memmove

begin memset
    movzx eax, sil
    mov r8, 0x0101010101010101
    imul r8, rax
    cmp rdx, 16
    jbe 2f
    mov r9, rdi
    lea r10, [rdi + rdx - 8]
    lea rcx, [rdx - 1]
    shr rcx, 3
    mov rax, r8
    rep stosq
    mov [r10], r8
    mov rax, r9
    ret
2:  mov rax, rdi
    cmp edx, 8
    jb 3f
    mov [rdi], r8
    mov [rdi + rdx - 8], r8
    ret
3:  cmp edx, 4
    jb 4f
    mov [rdi], r8d
    mov [rdi + rdx - 4], r8d
    ret
4:  test edx, edx
    jz 5f
    mov ecx, edx
    shr ecx, 1
    mov [rdi], r8b
    mov [rdi + rcx], r8b
    mov [rdi + rdx - 1], r8b
5:  ret
end memset

begin memcmp
    xor ecx, ecx
2:  lea r8, [rcx + 8]
    cmp r8, rdx
    ja 3f
    mov r9, [rdi + rcx]
    mov r10, [rsi + rcx]
    mov rcx, r8
    cmp r9, r10
    je 2b
    bswap r9
    bswap r10
    xor eax, eax
    cmp r9, r10
    seta al
    lea eax, [rax + rax - 1]
    ret
3:  cmp rcx, rdx
    jae 4f
    movzx eax, byte ptr [rdi + rcx]
    movzx r9d, byte ptr [rsi + rcx]
    inc rcx
    sub eax, r9d
    je 3b
    ret
4:  xor eax, eax
    ret
end memcmp

.global bcmp
.set bcmp, memcmp
