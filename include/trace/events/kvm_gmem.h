/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(_TRACE_KVM_GMEM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_GMEM_H

#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

/*
 * Private guest memory.  Events tell addresses, never contents.
 */

DECLARE_EVENT_CLASS(kvm_convert,
		    TP_PROTO(u64 start, u64 end, unsigned long attrs, int result),
		    TP_ARGS(start, end, attrs, result),
		    TP_STRUCT__entry(__field(u64, start)
				     __field(u64, end)
				     __field(unsigned long, attrs)
				     __field(int, result)
		    ),
		    TP_fast_assign(__entry->start = start;
				   __entry->end = end;
				   __entry->attrs = attrs;
				   __entry->result = result;
		    ),
		    TP_printk("[%llx, %llx) attributes %lx result %d",
			      __entry->start, __entry->end, __entry->attrs,
			      __entry->result)
);

/* A request to convert gfns, done or failed. */
DEFINE_EVENT(kvm_convert, kvm_convert_gfns,
	     TP_PROTO(u64 start, u64 end, unsigned long attrs, int result),
	     TP_ARGS(start, end, attrs, result)
);

/* A request to convert offsets of a file, in pages, done or failed. */
DEFINE_EVENT(kvm_convert, kvm_convert_file,
	     TP_PROTO(u64 start, u64 end, unsigned long attrs, int result),
	     TP_ARGS(start, end, attrs, result)
);

/* A page fault found its page in a guest_memfd file. */
TRACE_EVENT(kvm_private_fault,
	    TP_PROTO(unsigned int vcpu_id, u64 gfn, u64 pfn, int max_level,
		     bool is_private),
	    TP_ARGS(vcpu_id, gfn, pfn, max_level, is_private),
	    TP_STRUCT__entry(__field(unsigned int, vcpu_id)
			     __field(u64, gfn)
			     __field(u64, pfn)
			     __field(int, max_level)
			     __field(bool, is_private)
	    ),
	    TP_fast_assign(__entry->vcpu_id = vcpu_id;
			   __entry->gfn = gfn;
			   __entry->pfn = pfn;
			   __entry->max_level = max_level;
			   __entry->is_private = is_private;
	    ),
	    TP_printk("vcpu %u gfn %llx pfn %llx max level %d %s",
		      __entry->vcpu_id, __entry->gfn, __entry->pfn,
		      __entry->max_level,
		      __entry->is_private ? "private" : "shared")
);

/* KVM_EXIT_MEMORY_FAULT is ready for userspace. */
TRACE_EVENT(kvm_memory_fault_exit,
	    TP_PROTO(unsigned int vcpu_id, u64 gfn, bool is_private),
	    TP_ARGS(vcpu_id, gfn, is_private),
	    TP_STRUCT__entry(__field(unsigned int, vcpu_id)
			     __field(u64, gfn)
			     __field(bool, is_private)
	    ),
	    TP_fast_assign(__entry->vcpu_id = vcpu_id;
			   __entry->gfn = gfn;
			   __entry->is_private = is_private;
	    ),
	    TP_printk("vcpu %u gfn %llx %s", __entry->vcpu_id, __entry->gfn,
		      __entry->is_private ? "private" : "shared")
);

DECLARE_EVENT_CLASS(kvm_gmem_page,
		    TP_PROTO(u64 index, u64 pfn),
		    TP_ARGS(index, pfn),
		    TP_STRUCT__entry(__field(u64, index)
				     __field(u64, pfn)
		    ),
		    TP_fast_assign(__entry->index = index;
				   __entry->pfn = pfn;
		    ),
		    TP_printk("offset %llx pfn %llx", __entry->index,
			      __entry->pfn)
);

/* An error was found in a page of a guest_memfd file. */
DEFINE_EVENT(kvm_gmem_page, kvm_gmem_poison,
	     TP_PROTO(u64 index, u64 pfn),
	     TP_ARGS(index, pfn)
);

/* The backend did not undo a conversion that failed. */
DEFINE_EVENT(kvm_gmem_page, kvm_gmem_contents_lost,
	     TP_PROTO(u64 index, u64 pfn),
	     TP_ARGS(index, pfn)
);

/* The backend does not give pages back, which are out of use from now on. */
TRACE_EVENT(kvm_gmem_quarantine,
	    TP_PROTO(u64 index, u64 pfn, int error),
	    TP_ARGS(index, pfn, error),
	    TP_STRUCT__entry(__field(u64, index)
			     __field(u64, pfn)
			     __field(int, error)
	    ),
	    TP_fast_assign(__entry->index = index;
			   __entry->pfn = pfn;
			   __entry->error = error;
	    ),
	    TP_printk("offset %llx pfn %llx error %d", __entry->index,
		      __entry->pfn, __entry->error)
);

#endif /* _TRACE_KVM_GMEM_H */

#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_gmem

/* This part must be outside protection */
#include <trace/define_trace.h>
